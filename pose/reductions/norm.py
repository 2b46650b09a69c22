"""Masks by a token's distance from the mean token."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import keep_highest


def norm(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """By the distance of a token's content from the mean token of its image; no parameters, no gradient."""
    content = context.content.detach()
    return keep_highest(tokens, (content - content.mean(dim=1, keepdim=True)).square().sum(dim=2), left)
