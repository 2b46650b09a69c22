"""Rows of tokens chosen, and put back on the grid: what reductions are made of, with groups.py."""

from __future__ import annotations

from typing import Protocol

import torch

from .context import Selected
from .rows import exporting, pick


def ranked(scores: torch.Tensor, keep: int) -> torch.Tensor:
    """Indices of the `keep` highest of (B, N) scores, ties to the lower index, the highest first: (B, K).

    An exported graph holds a top-k, as ONNX has no stable sort; its definition of TopK breaks ties the same way, but
    not every runtime keeps to it.
    """
    if exporting():
        return scores.topk(keep, dim=1).indices
    return scores.sort(dim=1, descending=True, stable=True).indices[:, :keep]


def highest(scores: torch.Tensor, keep: int) -> torch.Tensor:
    """Indices of the `keep` highest of (B, N) scores, ties to the lower index, ascending: (B, K)."""
    return ranked(scores, keep).sort(dim=1).values


def keep_highest(
    tokens: torch.Tensor, scores: torch.Tensor, left: int, **selected: object
) -> tuple[torch.Tensor, Selected]:
    """Keep the `left` tokens of (B, n, d) with the highest scores (B, n), in their order."""
    return keep(tokens, highest(scores, left), scores=scores, **selected)


def keep(tokens: torch.Tensor, index: torch.Tensor, **selected: object) -> tuple[torch.Tensor, Selected]:
    """Keep the tokens `index` (B, K) of (B, n, d), drop the others. `selected`: further fields of the result."""
    return pick(tokens, index), Selected(index, **selected)


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
