"""Semantic masks: by what the keypoint tokens attend to."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import keep_highest


def semantic(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """By content: the tokens that some keypoint token attends to most.

    A token's score is its maximum over the keypoints, so that each joint keeps its own evidence. No gradient.
    """
    return keep_highest(tokens, context.keypoint_attention().amax(dim=1), left)
