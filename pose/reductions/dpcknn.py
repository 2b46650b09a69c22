"""Clusters of tokens around density peaks become one token each (TCFormer, arXiv 2204.08680, section 3)."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .groups import group_sum, places
from .tokens import ranked


def dpcknn(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Make `left` clusters of the tokens, each its mean. A cluster counts as one key, however many tokens it holds."""
    return cluster(tokens, left, neighbours=context.params["neighbours"])


def cluster(
    x: torch.Tensor,
    left: int,
    importance: torch.Tensor | None = None,
    *,
    neighbours: int = 5,
    noise: torch.Tensor | None = None,
) -> tuple[torch.Tensor, Selected]:
    """`left` tokens of x (B, n, d) become centres; the others join the nearest one.

    Centres have the highest product of density (by the mean squared distance to the nearest `neighbours`, itself among
    them) and distance to the nearest denser token. importance: (B, n) above 0, weights of a cluster's mean, by
    default 1. noise: (B, n) in [0, 1), tells equal densities apart, as the authors' code draws it at every call.
    Returns the clusters from the best centre on; `weights` are those within each cluster.
    """
    distance = _distances(x.detach())
    peaks = _peaks(distance, min(neighbours, x.shape[1]), noise)
    centres = ranked(peaks, left)
    nearest = distance.gather(1, centres[:, :, None].expand(-1, -1, x.shape[1])).argmin(dim=1)
    own = places(centres, x.shape[1])
    source = torch.where(own < 0, nearest, own)
    importance = torch.ones_like(x[:, :, 0]) if importance is None else importance
    summed = group_sum(importance[:, :, None], source, left).squeeze(2) + 1e-6
    weights = importance / summed.gather(1, source)
    return group_sum(x * weights[:, :, None], source, left), Selected(
        centres, source, weights=weights, scores=peaks
    )


def _distances(x: torch.Tensor) -> torch.Tensor:
    """(B, n, n) Euclidean distances over sqrt(d) of tokens (B, n, d), exactly 0 from each to itself."""
    squares = x.square().sum(dim=2)
    squared = squares[:, :, None] + squares[:, None] - 2 * x @ x.transpose(1, 2)
    itself = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
    return (squared.clamp_min(0).masked_fill(itself, 0) / x.shape[2]).sqrt()


def _peaks(distance: torch.Tensor, neighbours: int, noise: torch.Tensor | None) -> torch.Tensor:
    """(B, n) density times the distance to the nearest denser token; the densest one's is the largest of all."""
    nearest = distance.square().topk(neighbours, dim=2, largest=False).values
    density = (-nearest.mean(dim=2)).exp()
    if noise is not None:
        density = density + 1e-6 * noise
    denser = density[:, None] > density[:, :, None]
    largest = distance.amax(dim=(1, 2))[:, None, None]
    return density * torch.where(denser, distance, largest).amin(dim=2)
