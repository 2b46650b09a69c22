"""Human-token pruning: visual tokens that the keypoint tokens look at least are dropped (PPT, section 3.2).

A model without keypoint tokens has nobody to ask but all of its tokens: there the mean column of the attention counts.
"""

from __future__ import annotations

import torch

from ..masks import highest
from .state import Attended, TokenState, pick


def prune(x: torch.Tensor, state: TokenState, seen: Attended, left: int) -> tuple[torch.Tensor, TokenState]:
    """Keep the `left` visual tokens with the highest attention from the keypoint tokens (from all tokens where there
    are none), mean over heads and queries, in their order. The choice has no gradient.
    """
    scores = seen.weights[:, :, : state.joints or None, state.joints :].detach().mean(dim=(1, 2))
    index = highest(scores, left)
    tokens = torch.cat((x[:, : state.joints], pick(x[:, state.joints :], index)), dim=1)
    return tokens, state.change(positions=pick(state.positions, index), cells=state.cells.gather(1, index))
