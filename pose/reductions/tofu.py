"""Tokens pruned in the early blocks, merged in the later ones (ToFu, arXiv 2312.01026, section 3).

Early blocks answer strongly to a mean of two tokens, so there a token that would merge goes; later ones are nearly
linear, and there it merges, the mean stretched to the norm of the longest of the group (MLERP).
"""

from __future__ import annotations

from dataclasses import replace

import torch

from .context import Context, Selected
from .groups import group_max, places
from .rows import pick
from .tome import Matched, bipartite, mean_keys, merge_groups


def tofu(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Take tokens out until `left` remain, paired as ToMe does: by pruning in the first half of the blocks."""
    matched = bipartite(mean_keys(context), tokens.shape[1] - left, in_place=True)
    early = context.layer is not None and 2 * context.layer < context.depth
    return (prune_groups if early else stretch_groups)(tokens, matched, context.sizes)


def prune_groups(x: torch.Tensor, matched: Matched, sizes: torch.Tensor | None) -> tuple[torch.Tensor, Selected]:
    """The tokens of x (B, n, d) that stay, as they are. Those that are dropped count with the one that stands for them.
    """
    _, selected = merge_groups(x, matched, sizes)
    return pick(x, matched.order), replace(selected, weights=(places(matched.order, x.shape[1]) >= 0).to(x.dtype))


def stretch_groups(x: torch.Tensor, matched: Matched, sizes: torch.Tensor | None) -> tuple[torch.Tensor, Selected]:
    """Each group's mean, as ToMe has it, as long as the longest of its tokens."""
    mean, selected = merge_groups(x, matched, sizes)
    longest = group_max(x.norm(dim=2), matched.source, matched.order.shape[1], matched.moved)
    return mean * (longest / mean.norm(dim=2).clamp_min(1e-12))[:, :, None], selected
