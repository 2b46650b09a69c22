"""Attention-level pruning: each visual token goes on looking at the visual tokens that it looked at most.

Improved TokenPose with Sparsity (arXiv 2311.09653). No token goes; connections do.
"""

from __future__ import annotations

import torch

from .context import Context, Selected


def prune_connections(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Each visual query keeps its `left` strongest visual keys, itself always among them; keypoint tokens see all and
    are seen by all. The strength is the attention before any mask, summed over the heads, so that a connection cut
    earlier can come back. Of equally strong ones any may stay. The choice has no gradient.
    """
    prefix = context.prefix
    visual = context.attn.logits[:, :, prefix:].detach().softmax(dim=3)[:, :, :, prefix:].sum(dim=1)
    itself = torch.eye(visual.shape[2], dtype=torch.bool, device=visual.device)
    strength = visual.masked_fill(itself, float("inf"))
    connections = strength.topk(left, dim=2, sorted=False).indices
    stays = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[0], -1)
    return tokens, Selected(stays, connections=connections)
