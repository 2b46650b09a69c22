"""Masks by a linear scorer that is trained to tell the tokens that hold a joint."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from .context import Context, Selected
from .tokens import keep_highest


def modules(width: int, grid: tuple[int, int]) -> dict[str, nn.Module]:
    """One linear layer from a token to its score."""
    return {"linear": nn.Linear(width, 1)}


def scorer(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """The tokens of the highest score stay; the choice has no gradient, the scores learn by `scorer_loss`."""
    logits = context.modules["linear"](tokens).squeeze(2)
    loss = partial(scorer_loss, logits, grid=context.grid)
    return keep_highest(tokens, logits.detach(), left, losses={"scorer": loss})


def scorer_loss(logits: torch.Tensor, target: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Binary cross-entropy of the scorer against where the joints are.

    logits: (B, N), one per visual token, row-major over `grid` = (gh, gw), N = gh * gw. A token's label is the
    highest target value of any joint in its cell: `target` max-pooled over joints and to the grid.
    """
    labels = F.adaptive_max_pool2d(target.amax(dim=1, keepdim=True), grid).flatten(1).clamp(0, 1)
    return F.binary_cross_entropy_with_logits(logits.float(), labels)
