"""Gaussian heat maps as training targets."""

from __future__ import annotations

import numpy as np


def gaussian_targets(
    joints: np.ndarray,
    visible: np.ndarray,
    heatmap_size: tuple[int, int],
    sigma: float,
    convention: str = "dark",
) -> tuple[np.ndarray, np.ndarray]:
    """Targets (J, h, w) and weights (J, 1), float32, for `joints` (J, 2) in heat-map px and `visible` (J,) 0 or 1.

    `heatmap_size` is (h, w). "dark": the Gaussian is centred on the joint's real-valued position and covers the whole
    map (DARK, arXiv 1910.06278). "hrnet": centred on the nearest pixel and cut off beyond 3 sigma. "udp": centred as
    "dark", cut off as "hrnet". A joint that is invisible, or whose 3-sigma square misses the map, has weight 0 and an
    empty map.
    """
    joints = np.asarray(joints, dtype=np.float64)
    size = np.array([heatmap_size[1], heatmap_size[0]])
    nearest = joints if convention == "dark" else np.trunc(joints + 0.5)
    if convention == "hrnet":
        joints = nearest
    reach = 3 * sigma
    # the family tests truncated bounds (towards zero), so a joint just outside may still count; kept for parity
    first, behind = np.trunc(nearest - reach), np.trunc(nearest + reach + 1)
    inside = np.all((first < size) & (behind >= 0), axis=1)
    weight = (np.asarray(visible) * inside).astype(np.float32)

    # the two-dimensional Gaussian is the product of a row and a column
    along_x = _gaussian(joints[:, :1], heatmap_size[1], sigma)
    along_y = _gaussian(joints[:, 1:], heatmap_size[0], sigma)
    if convention != "dark":
        along_x *= np.abs(np.arange(heatmap_size[1]) - nearest[:, :1]) <= reach
        along_y *= np.abs(np.arange(heatmap_size[0]) - nearest[:, 1:]) <= reach
    along_y *= weight[:, None] > 0.5
    return along_y[:, :, None] * along_x[:, None, :], weight[:, None]


def _gaussian(mean: np.ndarray, length: int, sigma: float) -> np.ndarray:
    """Values (J, length), float32, of unnormalised Gaussians with `mean` (J, 1) on the pixels 0 .. length - 1."""
    distance = np.arange(length) - mean
    return np.exp(distance * distance * (-0.5 / sigma**2)).astype(np.float32)
