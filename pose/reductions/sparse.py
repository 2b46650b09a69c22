"""Attention-level pruning: each visual token goes on looking at the visual tokens that it looked at most.

Improved TokenPose with Sparsity (arXiv 2311.09653). No token goes; connections do.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .state import Attended, TokenState


def prune_connections(x: torch.Tensor, state: TokenState, seen: Attended, left: int) -> tuple[torch.Tensor, TokenState]:
    """Each visual query keeps its `left` strongest visual keys, itself always among them; keypoint tokens see all and
    are seen by all. The strength is the attention before any mask, summed over the heads, so that a connection cut
    earlier can come back. Of equally strong ones any may stay. The choice has no gradient.
    """
    joints = state.joints
    visual = seen.logits[:, :, joints:].detach().softmax(dim=3)[:, :, :, joints:].sum(dim=1)
    itself = torch.eye(visual.shape[2], dtype=torch.bool, device=x.device)
    strength = visual.masked_fill(itself, float("inf"))
    connections = strength.topk(left, dim=2, sorted=False).indices
    allowed = torch.zeros_like(visual).scatter(2, connections, torch.ones_like(visual)) > 0
    allowed = F.pad(allowed, (joints, 0, joints, 0), value=True)
    return x, state.change(connections=connections, allowed=allowed[:, None])
