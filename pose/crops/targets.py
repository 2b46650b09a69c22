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
    height, width = heatmap_size
    nearest = joints if convention == "dark" else np.trunc(joints + 0.5)
    if convention == "hrnet":
        joints = nearest
    reach = 3 * sigma
    # the family tests truncated bounds (towards zero), so a joint just outside may still count; kept for parity
    first, behind = np.trunc(nearest - reach), np.trunc(nearest + reach + 1)
    inside = ((first < (width, height)) & (behind >= 0)).all(axis=1)
    weight = (np.asarray(visible) * inside).astype(np.float32)

    # the two-dimensional Gaussian is the product of a row and a column
    pixels = np.concatenate([np.arange(width), np.arange(height)])
    distance = pixels - np.repeat(joints, (width, height), axis=1)
    values = np.exp(distance * distance * (-0.5 / sigma**2)).astype(np.float32)
    if convention != "dark":
        values *= np.abs(pixels - np.repeat(nearest, (width, height), axis=1)) <= reach
    along_x, along_y = values[:, :width], values[:, width:] * (weight[:, None] > 0.5)
    return along_y[:, :, None] * along_x[:, None, :], weight[:, None]
