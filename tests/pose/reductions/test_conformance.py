"""Every reduction keeps the promises of `posebench.testing`, and the checks tell those that do not."""

import pytest
import torch

from posebench.pose.reductions import reduction_names
from posebench.pose.reductions.context import Selected
from posebench.pose.reductions.tokens import highest, keep
from posebench.testing import REDUCTION_CHECKS, check_reduction
from posebench.testing.reductions import reduction_case

NAMES = [name for name in reduction_names() if name != "none"]
VARIANTS = ["prune(layers=0|2, keep_ratio=0.5)", "random(layers=1|2)", "tome(r=5)", "sparse(execution=gather)"]


@pytest.mark.parametrize("check", REDUCTION_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES + VARIANTS)
def test_a_reduction_keeps_its_promises(name, check):
    check(reduction_case(name))


def good(tokens, context, left):
    return keep(tokens, highest(tokens.detach().norm(dim=2), left))


def one_too_many(tokens, context, left):
    return good(tokens, context, left + 1)


def by_the_batch(tokens, context, left):
    scores = tokens.detach().norm(dim=2).sum(dim=0, keepdim=True)
    return keep(tokens, highest(scores.expand(len(tokens), -1), left))


def by_chance(tokens, context, left):
    return keep(tokens, highest(torch.rand(tokens.shape[:2]), left))


def not_dropped_but_mixed_in(tokens, context, left):
    kept, selected = good(tokens, context, left)
    return kept + tokens.mean(dim=1, keepdim=True), selected


def says_something_else(tokens, context, left):
    kept, selected = good(tokens, context, left)
    source = torch.zeros(tokens.shape[:2], dtype=torch.long)
    return kept, Selected(selected.token_indices, source=source)


def on_the_cpu(tokens, context, left):
    return keep(tokens, torch.arange(left, device="cpu").expand(len(tokens), -1))


def test_a_function_of_ones_own_is_enough():
    check_reduction(good)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (one_too_many, "tokens where"),
        (by_the_batch, "another choice in another batch"),
        (by_chance, "another choice|differ"),
        (not_dropped_but_mixed_in, "changed|other tokens"),
        (says_something_else, "does not hold"),
    ],
)
def test_what_breaks_a_promise_is_told(broken, promise):
    with pytest.raises(AssertionError, match=promise):
        check_reduction(broken)


def test_tensors_made_on_another_device_are_told():
    with pytest.raises(Exception, match=r"another device|Cannot|meta"):
        check_reduction(on_the_cpu)
