"""The unmasked model, as a reduction that reduces nothing."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import keep


def keep_all(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Every token stays."""
    return keep(tokens, torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[0], -1))
