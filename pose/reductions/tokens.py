"""Rows of tokens chosen, merged, and put back on the grid: what reductions are made of."""

from __future__ import annotations

from typing import Protocol

import torch

from .context import Selected


def highest(scores: torch.Tensor, keep: int) -> torch.Tensor:
    """Indices of the `keep` highest of (B, N) scores, ties to the lower index, ascending: (B, K)."""
    order = scores.sort(dim=1, descending=True, stable=True).indices
    return order[:, :keep].sort(dim=1).values


def pick(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows `index` (B, k) of values (1 or B, n, d): (B, k, d)."""
    values = values.expand(len(index), -1, -1)
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))


def keep(tokens: torch.Tensor, index: torch.Tensor, **selected: object) -> tuple[torch.Tensor, Selected]:
    """Keep the tokens `index` (B, K) of (B, n, d), drop the others. `selected`: further fields of the result."""
    return pick(tokens, index), Selected(index, **selected)


def group_sizes(source: torch.Tensor, sizes: torch.Tensor, groups: int) -> torch.Tensor:
    """(B, groups) sums of sizes (B, n) over the groups that source (B, n) names."""
    return sizes.new_zeros(len(source), groups).scatter_add(1, source, sizes)


def group_mean(
    values: torch.Tensor, source: torch.Tensor, sizes: torch.Tensor, summed_sizes: torch.Tensor
) -> torch.Tensor:
    """Means (B, groups, d) of values (1 or B, n, d), weighted by sizes (B, n); source (B, n) says which group.

    summed_sizes: (B, groups), from `group_sizes`.
    """
    weighted = values * sizes[:, :, None]
    index = source[:, :, None].expand(-1, -1, values.shape[2])
    summed = weighted.new_zeros(*summed_sizes.shape, values.shape[2]).scatter_add(1, index, weighted)
    return summed / summed_sizes[:, :, None]


class Holds(Protocol):
    """A `Selected`, or several in a row: it knows which token now holds each of those that there were."""

    def holders(self, total: int) -> torch.Tensor: ...


def restore(tokens: torch.Tensor, selected: Holds, dropped: torch.Tensor) -> torch.Tensor:
    """Undo selections: output tokens (B, K, d) back in the places of the n input tokens, (B, n, d).

    An input token gets the output token that holds it (its group's, after merging); one that was dropped gets its row
    of `dropped` (1 or B, n, 1 or d): zeros, or what it was when it was dropped.
    """
    holders = selected.holders(dropped.shape[1])
    back = pick(tokens, holders.clamp(min=0))
    return torch.where((holders >= 0)[:, :, None], back, dropped.to(back.dtype))
