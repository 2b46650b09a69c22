"""Attentive tokens are kept, the others become one (EViT, arXiv 2202.07800, section 3)."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .groups import places
from .rows import pick
from .tokens import ranked


def evit(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Keep the `left` - 1 tokens that get the most attention, and fuse the rest into one."""
    return fuse(tokens, context.received(), left - 1)


def fuse(x: torch.Tensor, scores: torch.Tensor, kept: int) -> tuple[torch.Tensor, Selected]:
    """The `kept` tokens of x (B, n, d) with the highest scores (B, n), the highest first, and behind them the sum of
    the rest weighted with their scores, which is not divided by the sum of scores: (B, kept + 1, d).

    The fused token stands at the first of those that it holds.
    """
    order = ranked(scores.detach(), kept + 1)
    place = places(order[:, :kept], x.shape[1]) if kept else torch.full_like(scores, -1).long()
    rest = place < 0
    fused = torch.where(rest, scores, 0.0)[:, None] @ x
    source = torch.where(rest, kept, place)
    return torch.cat((pick(x, order[:, :kept]), fused), dim=1), Selected(
        order, source, weights=torch.where(rest, scores, 1.0), scores=scores.detach()
    )
