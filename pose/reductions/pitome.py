"""Merging that protects what is unlike the rest (PiToMe, arXiv 2405.16148, section 3.2).

A token's energy is high in a large cluster of similar tokens: those merge, what stands alone is kept.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from ..errors import InputError
from .context import Context, Selected
from .groups import Moved, by_products, places
from .tokens import ranked
from .tome import Matched, bipartite, mean_keys, merge_groups


def pitome(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Merge the tokens of highest energy until `left` remain, compared by their keys (mean over heads).

    Tokens count as similar from a cosine on that falls from the parameter `margin` to 0 over the blocks.
    """
    depth = (context.layer or 0) / max(context.depth, 1)
    params = context.params
    return merge_by_energy(
        tokens,
        mean_keys(context),
        left,
        params["margin"] * (1 - depth),
        context.sizes,
        alpha=params["alpha"],
        pairs=params["pairs"],
    )


def energy(metric: torch.Tensor, margin: float, alpha: float = 1.0) -> torch.Tensor:
    """(B, n) mean over all tokens, itself among them, of z = cosine - margin, or alpha (e^z - 1) where z is below 0."""
    unit = F.normalize(metric, dim=2)
    return F.elu(unit @ unit.transpose(1, 2) - margin, alpha).mean(dim=2)


def merge_by_energy(
    x: torch.Tensor,
    metric: torch.Tensor,
    left: int,
    margin: float,
    sizes: torch.Tensor | None = None,
    *,
    alpha: float = 1.0,
    pairs: str = "energy",
) -> tuple[torch.Tensor, Selected]:
    """Merge tokens x (B, n, d), compared by metric (B, n, c), until `left` remain.

    The tokens of highest energy, two for each that goes, are split by rank: odd ones into the closest even ones.
    InputError if more than half would go. sizes: (B, n) how many each stands for. alpha, margin: see `energy`.
    pairs: "energy", or "bipartite", as the authors' code does in its first blocks: ToMe's matching over all tokens in
    the order of their energy.
    Returns the untouched tokens by falling energy, then the merged ones by falling energy.
    """
    total = x.shape[1]
    going = total - left
    if not 0 <= going <= total // 2:
        raise InputError(f"pitome: {left} of {total} tokens cannot be left; give {total - total // 2} to {total}")
    energies = energy(metric, margin, alpha)
    by_energy = ranked(energies, total)
    sorted_metric = metric.gather(1, by_energy[:, :, None].expand_as(metric))
    match = _halves if pairs == "energy" and going else bipartite
    order, source, moved = match(sorted_metric, going)
    order, source = by_energy.gather(1, order), source.gather(1, places(by_energy, total))
    if moved is not None:
        moved = Moved(order, by_energy.gather(1, moved.gone), moved.into)
    merged, selected = merge_groups(x, Matched(order, source, moved), sizes)
    return merged, replace(selected, scores=-energies)


def _halves(metric: torch.Tensor, going: int) -> Matched:
    """Of tokens by rank, metric (B, n, c): the 2 x `going` first ones in pairs of rank, the others as they are."""
    batch, total, _ = metric.shape
    unit = F.normalize(metric[:, : 2 * going], dim=2)
    partner = (unit[:, ::2] @ unit[:, 1::2].transpose(1, 2)).argmax(dim=2)
    rank = torch.arange(total, device=metric.device).expand(batch, -1)
    order = torch.cat((rank[:, 2 * going :], rank[:, 1 : 2 * going : 2]), dim=1)
    untouched = total - 2 * going
    merged = torch.stack((untouched + partner, untouched + rank[:, :going]), dim=2).flatten(1)
    source = torch.cat((merged, rank[:, :untouched]), dim=1)
    moved = Moved(order, rank[:, : 2 * going : 2], untouched + partner) if by_products(metric) else None
    return Matched(order, source, moved)
