"""Uniform masks (TMPose)."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import keep


def uniform(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """An even subset of the sequence, the same for all samples: floor(linspace(0, N - 1, K))."""
    steps = max(left - 1, 1)
    index = torch.arange(left, device=tokens.device) * (tokens.shape[1] - 1)
    return keep(tokens, torch.div(index, steps, rounding_mode="floor").expand(tokens.shape[0], -1))
