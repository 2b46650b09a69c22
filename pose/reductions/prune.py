"""Human-token pruning: visual tokens that the keypoint tokens look at least are dropped (PPT, section 3.2).

A model without keypoint tokens has nobody to ask but all of its tokens: there the mean column of the attention counts.
"""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import keep_highest


def prune(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Keep the tokens with the highest attention from the keypoint tokens, mean over heads and keypoints, in their
    order. The choice has no gradient."""
    return keep_highest(tokens, context.received().detach(), left)
