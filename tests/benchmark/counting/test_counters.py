"""Counters side by side: fvcore and torch's own are independent witnesses, and what each misses is named."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from posebench import create_model
from posebench.benchmark.counting.counters import compare_counters
from posebench.pose.errors import InputError


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(8, 8)
        self.look = nn.Conv2d(3, 8, 2, 2)

    def forward(self, images):
        tokens = self.project(self.look(images).flatten(2).transpose(1, 2))
        heads = tokens.unflatten(2, (2, 4)).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads)


CONVOLUTION, PROJECTION, ATTENTION = 16 * 8 * 12, 16 * 64, 2 * 16 * 16 * 8


def by_counter(model, inputs=None, counters=("all",)):
    return {row["counter"]: row for row in compare_counters([("it", model)], counters, inputs)}


def test_each_counter_stands_for_what_it_sees_and_says_what_it_does_not():
    found = by_counter(Attends(), (torch.zeros(1, 3, 8, 8),))
    exact = CONVOLUTION + PROJECTION + ATTENTION
    seen = (exact, exact - ATTENTION, exact, exact - ATTENTION, CONVOLUTION + 2 * PROJECTION)
    assert tuple(row["macs"] for row in found.values())[:5] == seen
    assert found["posebench"]["missed_or_misread"] == found["torch-meta"]["missed_or_misread"] == ""
    assert "missed aten::_scaled_dot_product_flash_attention_for_cpu" in found["torch"]["missed_or_misread"]
    assert "missed aten::scaled_dot_product_attention (1 calls)" in found["fvcore"]["missed_or_misread"]
    assert "tokens for channels" in found["published"]["missed_or_misread"]
    assert found["torch"]["from_exact_percent"] == f"{-100 * ATTENTION / exact:+.2f}"


def test_fvcore_agrees_where_it_knows_all_products():
    model = create_model("tmpose_tiny", mask="none")
    row = by_counter(model.backbone, (torch.zeros(1, 3, *model.spec.input_size),), ("fvcore",))["fvcore"]
    assert "missed" not in row["missed_or_misread"] and "misread" not in row["missed_or_misread"]
    assert "counted besides batch_norm" in row["missed_or_misread"]


def test_a_counter_that_is_none_is_named_and_gradients_are_asked_for_as_before():
    model = create_model("tmpose_tiny")
    before = [parameter.requires_grad for parameter in model.parameters()]
    with pytest.raises(InputError, match="counter thopp: give all, or some of posebench, torch, torch-meta"):
        by_counter(model, counters=("torch", "thopp"))
    by_counter(model, counters=("torch",))
    assert [parameter.requires_grad for parameter in model.parameters()] == before


def test_the_papers_counter_names_the_products_that_are_in_no_layer_and_how_many():
    tokens = 32 * 32
    row = by_counter(Attends(), (torch.zeros(1, 3, 64, 64),), ("published",))["published"]
    attention, for_channels, for_tokens = (n / 1e9 for n in (2 * tokens**2 * 8, tokens * 8 * 8, tokens**2 * 8))
    assert row["missed_or_misread"] == (
        f"missed aten::_scaled_dot_product_flash_attention_for_cpu outside of such modules ({attention:.4f}); "
        f"misread linear layers, tokens for channels ({for_tokens:.4f} for {for_channels:.4f})"
    )
    assert row["prints"] == f"{(tokens * 8 * 12 + tokens**2 * 8) / 1024**3:.4f}"


class Distances(nn.Module):
    """Sums of absolute differences, which multiply nothing, between two linear layers."""

    def __init__(self):
        super().__init__()
        self.project, self.judge = nn.Linear(8, 4), nn.Linear(16, 3)

    def forward(self, tokens):
        tokens = self.project(tokens)
        return self.judge(torch.cdist(tokens, tokens, p=1))


def test_an_operator_that_multiplies_nothing_is_not_missed():
    row = by_counter(Distances(), (torch.zeros(1, 16, 8),), ("torch",))["torch"]
    assert row["missed_or_misread"] == "" and row["macs"] == 16 * 8 * 4 + 16 * 16 * 3
