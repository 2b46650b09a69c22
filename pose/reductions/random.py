"""Random masks (TMPose)."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import highest, keep


def random(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """A uniformly random subset per sample (TMPose, "random mask")."""
    return keep(tokens, highest(context.noise(tokens.shape[1]), left))
