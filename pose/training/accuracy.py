"""How often a heatmap peaks near its target: the figure that training shows while it runs. Not an evaluation."""

from __future__ import annotations

import torch

THRESHOLD = 0.5  # of a tenth of the map's size


def heatmap_accuracy(output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(hits, joints): how many of the batch's joints peak within half of a tenth of the map's size of their target.

    Both maps are (B, J, h, w). A horizontal distance is in tenths of the width, a vertical one in tenths of the
    height. Joints whose target map is empty are not counted; an output without a positive value is a miss. Scalars
    on the maps' device, so that they add up over batches without waiting for it.
    """
    found, has_peak = _peaks(output)
    wanted, counted = _peaks(target)
    height, width = output.shape[-2:]
    distance = _distance(found, wanted, (width / 10, height / 10))
    return ((distance < THRESHOLD) & has_peak & counted).sum(), counted.sum()


def _peaks(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, J, 2) x and y of the highest pixel, and (B, J) whether it is above 0."""
    value, index = maps.flatten(2).max(dim=2)
    width = maps.shape[-1]
    return torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], dim=2), value > 0


def _distance(a: torch.Tensor, b: torch.Tensor, unit_xy: tuple[float, float]) -> torch.Tensor:
    x, y = (a - b).float().unbind(dim=2)
    return torch.hypot(x / unit_xy[0], y / unit_xy[1])
