"""Token merging by bipartite soft matching (ToMe, arXiv 2210.09461, section 3)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .context import Context, Selected
from .tokens import group_mean, group_sizes, highest


def merge(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Merge the most similar visual tokens until `left` remain.

    Tokens at even places are matched with those at odd places by the cosine of their keys (mean over heads); the
    closest of the even ones go into their partners. A merged token is the mean of its cells.
    """
    batch, total = tokens.shape[:2]
    target = _partners(context.attn.keys[:, :, context.prefix :].detach(), total - left)
    places = torch.arange(total, device=tokens.device)
    stays = highest((target == places).to(tokens.dtype), left)
    new_place = torch.zeros_like(target).scatter(1, stays, torch.arange(left, device=tokens.device).expand(batch, -1))
    source = new_place.gather(1, target)
    sizes = torch.ones_like(tokens[:, :, 0]) if context.sizes is None else context.sizes
    merged_sizes = group_sizes(source, sizes, left)
    merged = group_mean(tokens, source, sizes, merged_sizes)
    return merged, Selected(stays, source=source, sizes=merged_sizes)


def _partners(keys: torch.Tensor, merging: int) -> torch.Tensor:
    """(B, n) the place that each token goes to, its own for those that stay. keys: (B, heads, n, d / heads)."""
    batch, _, total, _ = keys.shape
    metric = F.normalize(keys.mean(dim=1), dim=2)
    similarity = metric[:, ::2] @ metric[:, 1::2].transpose(1, 2)
    best, partner = similarity.max(dim=2)
    leaving = highest(best, merging)
    target = torch.arange(total, device=keys.device).expand(batch, -1)
    return target.scatter(1, 2 * leaving, 2 * partner.gather(1, leaving) + 1)
