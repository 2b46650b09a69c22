"""Token merging by bipartite soft matching (ToMe, arXiv 2210.09461, section 3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional as F

from .context import Context, Selected
from .groups import Moved, by_products, group_mean, group_sizes, places
from .rows import exporting
from .tokens import ranked


class Matched(NamedTuple):
    """order: (B, K) the tokens that stay. source: (B, n) the place in it of the one that each token goes into.
    moved: the same, where it is computed by products."""

    order: torch.Tensor
    source: torch.Tensor
    moved: Moved | None = None


def merge(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Merge the most similar visual tokens until `left` remain, in the order of their places.

    Tokens at even places are matched with those at odd places by the cosine of their keys (mean over heads); the
    closest of the even ones go into their partners. A merged token is the mean of its cells.
    """
    matched = bipartite(mean_keys(context), tokens.shape[1] - left, in_place=True)
    return merge_groups(tokens, matched, context.sizes)


def mean_keys(context: Context) -> torch.Tensor:
    """(B, n, d / heads) keys of the visual tokens, mean over the heads, without gradient."""
    return context.attn.keys[:, :, context.prefix :].detach().mean(dim=1)


def merge_groups(x: torch.Tensor, matched: Matched, sizes: torch.Tensor | None) -> tuple[torch.Tensor, Selected]:
    """Tokens x (B, n, d) of sizes (B, n), by default 1, each group's mean around its token in `matched.order`."""
    order, source, moved = matched
    sizes = torch.ones_like(x[:, :, 0]) if sizes is None else sizes
    merged_sizes = group_sizes(source, sizes, order.shape[1], moved)
    merged = group_mean(x, source, sizes, merged_sizes, moved)
    return merged, Selected(order, source, sizes=merged_sizes, moved=moved)


def bipartite(
    metric: torch.Tensor,
    merging: int,
    *,
    class_token: bool = False,
    distill_token: bool = False,
    in_place: bool = False,
) -> Matched:
    """Bipartite soft matching by metric (B, n, c): which tokens stay, and which of these each token goes into.

    Each token at an even place (A) has the token at an odd place (B) of highest cosine as its partner, and the
    `merging` of A with the closest partners go into them; no more than half of what is not protected. Where none goes,
    nothing moves. class_token, distill_token: the first one or two are never merged.
    The order is that of the authors' code: A, from the closest to the least close, or by place where there is a class
    token; then B; a distillation token comes second. in_place: by place instead.
    """
    batch, total, _ = metric.shape
    protected = int(class_token) + int(distill_token)
    merging = min(merging, (total - protected) // 2)
    place = torch.arange(total, device=metric.device).expand(batch, -1)
    if merging <= 0:
        return Matched(place, place)
    unit = F.normalize(metric, dim=2)
    similarity = unit[:, ::2] @ unit[:, 1::2].transpose(1, 2)
    if class_token:
        similarity = F.pad(similarity[:, 1:], (0, 0, 1, 0), value=float("-inf"))
    if distill_token:
        similarity = F.pad(similarity[:, :, 1:], (1, 0), value=float("-inf"))
    best, partner = similarity.max(dim=2)
    even, odd = similarity.shape[1:]

    closest = ranked(best, even)
    going, staying = closest[:, :merging], closest[:, merging:]
    if class_token and not in_place:
        staying = staying.sort(dim=1).values
    stays, b = 2 * staying, place[:, 1::2]
    order = torch.cat((stays, b), dim=1)
    if distill_token:
        order = torch.cat((stays[:, :1], b[:, :1], stays[:, 1:], b[:, 1:]), dim=1)
    if in_place:
        order = order.sort(dim=1).values

    goes = torch.where(places(closest, even) < merging, 2 * partner + 1, place[:, ::2])
    target = torch.stack((goes, F.pad(b, (0, even - odd))), dim=2).flatten(1)[:, :total]
    source = places(order, total).gather(1, target)
    if not by_products(metric):
        return Matched(order, source)
    partner, going = partner.gather(1, going), 2 * going
    into = partner + even - merging
    if in_place:  # behind as many tokens as stay before it
        into = 2 * partner + 1 - _below(going, 2 * partner + 1)
    return Matched(order, source, Moved(order, going, into))


def _below(numbers: torch.Tensor, limits: torch.Tensor) -> torch.Tensor:
    """(B, k) how many of numbers (B, m) are below each of limits (B, k)."""
    less = numbers[:, None] < limits[:, :, None]
    return (less.float() if exporting() else less).sum(dim=2).to(limits.dtype)  # see groups.places
