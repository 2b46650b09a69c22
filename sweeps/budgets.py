"""The mask ratio at which a reduction meets a budget of GFLOPsT, found by counting; nothing is run for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..benchmark.counting.flops import flops_row
from ..pose.errors import InputError
from ..pose.models.config import ModelConfig
from ..pose.reductions import UNMASKED, ReductionConfig, reduction_config


def reductions_within(model: ModelConfig, masks: Sequence[str], budgets: Sequence[float]) -> list[ReductionConfig]:
    """The unmasked model, and every mask at the smallest ratio within each budget (GFLOPsT, 1e9 multiply-adds).

    Ratios are whole numbers of tokens, so a budget is met from below to within one token's cost. A mask whose
    parameters fix what it leaves has no ratio to choose and stands once. Raises InputError where the unmasked model
    is within a budget already, or a mask at its highest ratio is not.
    """
    unmasked = flops_row(replace(model, reduction=UNMASKED))
    found = [UNMASKED]
    for text in masks:
        mask = reduction_config(text)
        if mask.is_none:
            continue
        if mask.is_fixed:
            found.append(mask)
            continue
        for budget in budgets:
            if unmasked["gflops_t"] <= budget:
                raise InputError(
                    f"budget of {budget:g} GFLOPsT: unmasked, {model.name} costs {unmasked['gflops_t']:.6g} already"
                )
            found.append(reduction_config(mask, ratio_within(model, mask, budget, unmasked["tokens_total"])))
    return list(dict.fromkeys(found))


def ratio_within(model: ModelConfig, mask: ReductionConfig, budget: float, tokens: int) -> float:
    """The smallest ratio within the budget, by bisection: the more tokens are gone, the less is computed.

    InputError where the mask never gets there.
    """
    low, high, costs = 0, tokens, []  # gone: too few, enough
    while high - low > 1:
        gone = (low + high) // 2
        try:
            reduction = reduction_config(mask, share_of(gone, tokens))
            costs.append(flops_row(replace(model, reduction=reduction))["gflops_t"])
        except InputError:  # more than this mask can take away
            high = gone
            continue
        low, high = (low, gone) if costs[-1] <= budget else (gone, high)
    if not any(cost <= budget for cost in costs):
        reached = f"; the least found is {min(costs):.6g}" if costs else ""
        raise InputError(f"budget of {budget:g} GFLOPsT: {model.name} with {mask.text} never gets there{reached}")
    return share_of(high, tokens)


def share_of(gone: int, tokens: int) -> float:
    """The ratio at which so many of the tokens go. Rounded down, so that no further token goes."""
    return gone * 10_000 // tokens / 10_000
