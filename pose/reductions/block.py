"""Block masks (TMPose), and what its code does under that name."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import keep

ZONES = 4


def block(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Four zones, equal runs of the sequence; in each one contiguous run is kept, at a random place (K in all)."""
    total, place = tokens.shape[1], context.noise(ZONES)
    runs = []
    for zone in range(ZONES):
        start, stop = zone * total // ZONES, (zone + 1) * total // ZONES
        length = (zone + 1) * left // ZONES - zone * left // ZONES
        offset = (place[:, zone, None] * (stop - start - length + 1)).long()
        runs.append(start + offset + torch.arange(length, device=tokens.device))
    return keep(tokens, torch.cat(runs, dim=1))


def first(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """The first K tokens: what TMPose's code does under the name "block" (the top rows of the crop)."""
    return keep(tokens, torch.arange(left, device=tokens.device).expand(tokens.shape[0], -1))
