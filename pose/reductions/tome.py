"""Token merging by bipartite soft matching (ToMe, arXiv 2210.09461, section 3)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ..masks import highest
from .state import Attended, TokenState


def merge(x: torch.Tensor, state: TokenState, seen: Attended, left: int) -> tuple[torch.Tensor, TokenState]:
    """Merge the most similar visual tokens until `left` remain; keypoint tokens are never merged.

    Tokens at even places are matched with those at odd places by the cosine of their keys (mean over heads); the
    closest of the even ones go into their partners. A merged token is the mean of its cells, as is its position.
    """
    visual = x[:, state.joints :]
    batch, total = visual.shape[:2]
    target = _partners(seen.keys[:, :, state.joints :].detach(), total - left)
    places = torch.arange(total, device=x.device)
    stays = highest((target == places).to(x.dtype), left)
    new_place = torch.zeros_like(target).scatter(1, stays, torch.arange(left, device=x.device).expand(batch, -1))
    goes_to = new_place.gather(1, target)

    sizes = torch.ones_like(visual[:, :, 0]) if state.sizes is None else state.sizes
    merged_sizes = sizes.new_zeros(batch, left).scatter_add(1, goes_to, sizes)

    def mean(values: torch.Tensor) -> torch.Tensor:
        weighted = values * sizes[:, :, None]
        index = goes_to[:, :, None].expand(-1, -1, values.shape[2])
        summed = weighted.new_zeros(batch, left, values.shape[2]).scatter_add(1, index, weighted)
        return summed / merged_sizes[:, :, None]

    holder = goes_to if state.holder is None else goes_to.gather(1, state.holder)
    tokens = torch.cat((x[:, : state.joints], mean(visual)), dim=1)
    return tokens, state.change(
        positions=mean(state.positions), cells=state.cells.gather(1, stays), holder=holder, sizes=merged_sizes
    )


def _partners(keys: torch.Tensor, merging: int) -> torch.Tensor:
    """(B, n) the place that each token goes to, its own for those that stay. keys: (B, heads, n, d / heads)."""
    batch, _, total, _ = keys.shape
    metric = F.normalize(keys.mean(dim=1), dim=2)
    similarity = metric[:, ::2] @ metric[:, 1::2].transpose(1, 2)
    best, partner = similarity.max(dim=2)
    leaving = highest(best, merging)
    target = torch.arange(total, device=keys.device).expand(batch, -1)
    return target.scatter(1, 2 * leaving, 2 * partner.gather(1, leaving) + 1)
