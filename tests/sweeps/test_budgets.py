"""A budget is met from below by the fewest tokens gone, for each mask in its own way."""

import pytest

from posebench.benchmark.counting.flops import flops_row
from posebench.pose.errors import InputError
from posebench.pose.models.config import ModelConfig
from posebench.pose.reductions import UNMASKED, reduction_config
from posebench.sweeps.budgets import reductions_within
from posebench.sweeps.request import parse

TINY = ModelConfig(name="tmpose_tiny", dataset="coco")
TOKENS = 48


def cost(mask, ratio):
    return flops_row("tmpose_tiny", mask=mask, mask_ratio=ratio)["gflops_t"]


@pytest.mark.parametrize("mask", ["random", "semantic", "prune", "tome"])
def test_one_token_more_would_be_over_the_budget(mask):
    (unmasked, found) = reductions_within(TINY, [mask], [0.0225])
    assert unmasked == UNMASKED
    gone = round(found.ratio * TOKENS)
    costs = {n: cost(mask, n / TOKENS) for n in (gone - 1, gone)}
    assert costs[gone] <= 0.0225 < costs[gone - 1] and cost(mask, found.ratio) == costs[gone]


def test_an_exact_budget_is_met_exactly():
    assert [one.ratio for one in reductions_within(TINY, ["random"], [cost("random", 0.25), cost("random", 0.5)])] == [
        UNMASKED.ratio, 0.25, 0.5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mask", "budget", "words"),
    [("random", 0.002, "random never gets there; the least found is"), ("sparse", 0.02, "sparse never gets there"),
     ("random", 1.0, r"unmasked, tmpose_tiny costs 0\.0278515 already")],
)  # fmt: skip
def test_a_budget_out_of_reach_is_refused_before_anything_runs(mask, budget, words):
    with pytest.raises(InputError, match=words):
        reductions_within(TINY, [mask], [budget])


def test_a_mask_with_a_ratio_of_its_own_stands_as_it_is():
    fixed = reduction_config("prune(keep_ratio=0.7)")
    assert reductions_within(TINY, ["prune(keep_ratio=0.7)", "none"], [0.02, 0.025]) == [UNMASKED, fixed]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"budgets": "gflops_t:0.02,x"}, "--budgets: 'x' is not a budget"), ({"budgets": "-1"}, "is not a budget"),
     ({"budgets": "0.02", "ratios": "0.4"}, "--budgets and --ratios contradict"),
     ({"budgets": "0.02", "elastic": True}, "--budgets and --elastic contradict")],
)  # fmt: skip
def test_budgets_are_read_or_refused(options, words):
    with pytest.raises(InputError, match=words):
        parse(options)
    assert parse({"budgets": "gflops_t:0.025,0.021"}).budgets == (0.025, 0.021)
