"""Counts equal the reference's, a closed form and torch's own counter, to the multiply-add."""

import json

import pytest
import torch
from closed_form import closed_form
from oracle import ORACLE, needs_oracle
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from posebench import count_flops, create_model
from posebench.benchmark.macs import UncountedOperatorError
from posebench.pose.masks import MASKS

REFERENCE = {
    "tokenpose_t": ("tokenpose_t", {}),
    "tokenpose_s_v1": ("tokenpose_s_v1", {}),
    "tokenpose_s_v2": ("tokenpose_s_v2", {}),
    "tokenpose_b": ("tokenpose_b", {}),
    "tokenpose_l_d24": ("tokenpose_l_d24", {}),
    "tokenpose_l_d24_384x288": ("tokenpose_l_d24", {"input_size": (384, 288)}),
    "tokenpose_l_d6_mpii": ("tokenpose_l_d6", {"dataset": "mpii"}),
    "tokenpose_l_d6_coco_no_yaml": ("tokenpose_l_d6", {}),
    "tmpose_b": ("tmpose_b", {}),
    "tmpose_l_d6": ("tmpose_l_d6", {}),
    "tmpose_l_d24": ("tmpose_l", {}),
    "tmpose_l_mpii": ("tmpose_l_d6", {"dataset": "mpii"}),
}


def reference_cases():
    models = json.loads((ORACLE / "models.json").read_text())["models"] if ORACLE.is_dir() else {}
    for key, (name, options) in REFERENCE.items():
        facts = models.get(key, {})
        for keep, figures in facts.get("ratios", {"1.0": facts}).items():
            masked = (
                {"mask": "random", "mask_ratio": round(1 - float(keep), 6)} if float(keep) < 1 else {"mask": "none"}
            )
            yield pytest.param(name, {**options, **masked}, {**facts, **figures}, id=f"{key}-{keep}")


@needs_oracle
@pytest.mark.parametrize(("name", "options", "expected"), list(reference_cases()))
def test_counts_equal_the_reference_to_the_multiply_add(name, options, expected):
    count = count_flops(name, **options)
    assert count.params == expected["params"]
    assert count.macs == expected["exact_macs_whole"]
    assert count.macs_transformer == expected["exact_macs_transformer"]
    assert round(count.published_gflops, 6) == expected["published_gflops_whole"]
    if "published_gflops_transformer" in expected:
        assert round(count.published_gflops_t, 6) == expected["published_gflops_transformer"]


def test_tmpose_l_at_the_published_mask_has_the_papers_numbers_and_the_exact_ones():
    count = count_flops("tmpose_l")
    assert count.params == 27_531_552
    assert count.macs_transformer == 1_828_786_176
    assert round(count.published_gflops, 6) == 9.416980
    assert round(count.published_gflops_t, 6) == 1.004748


@pytest.mark.parametrize("name", ["tmpose_tiny", "tokenpose_t", "tokenpose_b", "tmpose_l"])
@pytest.mark.parametrize("mask", [m for m in MASKS if m != "none"])
def test_counter_closed_form_and_torch_agree(name, mask):
    ratio = {"random": 0.1, "uniform": 0.35, "block": 0.5, "semantic": 0.62, "scorer": 0.8, "norm": 0.97, "first": 0.4}[
        mask
    ]
    count = count_flops(name, mask=mask, mask_ratio=ratio)
    expected = closed_form(name, mask=mask, mask_ratio=ratio)
    assert dict(count.parts) == expected
    assert count.macs == sum(expected.values()) == torch_macs(name, mask=mask, mask_ratio=ratio)


def torch_macs(name, **options):
    # On the meta device torch's counter also knows attention, which it counts as 0 on the CPU.
    with torch.device("meta"):
        model = create_model(name, **options).eval().requires_grad_(False)
        images = torch.empty(1, 3, *model.spec.input_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


class Toy(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.layer = nn.Linear(4, 6)
        self.function = function

    def forward(self, x):
        return self.function(self.layer(x))


def test_any_module_is_counted_with_its_parts():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, groups=1), nn.ReLU(), nn.ConvTranspose2d(8, 2, 2, 2))
    count = count_flops(model, (torch.zeros(1, 3, 10, 12),))
    assert count.parts == {"0": 8 * 27 * 120, "1": 0, "2": 8 * 2 * 4 * 120}


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda y: y @ y.transpose(1, 2), 2 * 5 * 6 * 5),
        (lambda y: torch.matmul(y[:1, :, None], torch.ones(5, 6, 7)), 5 * 1 * 6 * 7),
        (lambda y: torch.einsum("bid,bjd->bij", y, y), 2 * 5 * 5 * 6),
        (lambda y: F.scaled_dot_product_attention(y, y[:, :3], y[:, :3]), 2 * 5 * 3 * 12),
    ],
)
def test_products_are_counted_by_their_broadcast_shape(function, macs):
    assert count_flops(Toy(function), (torch.zeros(2, 5, 4),)).macs == 2 * 5 * 4 * 6 + macs


def test_an_operator_without_a_rule_is_an_error_that_names_it():
    with pytest.raises(UncountedOperatorError, match="aten::cdist"):
        count_flops(nn.Sequential(Toy(lambda y: torch.cdist(y, y))), (torch.zeros(2, 5, 4),))


def test_counting_leaves_the_model_as_it_was():
    model = create_model("tmpose_tiny").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    count_flops(model)
    assert model.training and model.transformer.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
