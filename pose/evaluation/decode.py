"""Heatmaps to coordinates: the highest pixel, refined below the pixel.

"dark": the map is smoothed, and a Taylor step on its logarithm leads from the highest pixel to the top of the Gaussian
(Zhang et al., Distribution-Aware Coordinate Representation, CVPR 2020). "hrnet": a quarter pixel towards the larger
neighbour. "argmax": the pixel itself. "udp": as "dark", with differences over one pixel instead of two, up to the
border, and a floor under the logarithm (ViTPose's, from Huang et al., arXiv 1911.07524). Coordinates are (x, y) in
heatmap px, pixel centres at integers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..crops.affine import heatmap_to_image
from ..crops.boxes import CONVENTIONS
from ..errors import InputError

METHODS = ("dark", "hrnet", "udp", "argmax")
BLUR_TAPS = 11
BLUR_SIGMA = 2.0
LOWEST = 1e-10  # the logarithm's floor
MAPS_AT_A_TIME = 64  # smoothed copies that stay in the processor's cache
UDP_RANGE = (0.001, 50.0)  # what "udp" clips the smoothed maps to, before its logarithm


def decode(heatmaps: np.ndarray, method: str = "dark") -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (B, J, 2) float64 in heatmap px and scores (B, J), the maps' maxima, of heatmaps (B, J, h, w).

    A map without a positive value gives (0, 0). As in the published code nothing bounds a Taylor step: a flat map can
    send a point far outside.
    """
    if method not in METHODS:
        raise InputError(f"unknown decoding {method!r}: use {', '.join(METHODS)}")
    peaks, scores = find_peaks(heatmaps)
    coords = peaks.astype(np.float64)
    steps = {"hrnet": _quarter_steps, "dark": _taylor_steps, "udp": _short_taylor_steps}.get(method)
    few = max(1, MAPS_AT_A_TIME // heatmaps.shape[1])
    room = np.empty((3, few * heatmaps.shape[1], *heatmaps.shape[2:])) if steps else None
    for start in range(0, len(heatmaps), few) if steps else ():
        part = slice(start, start + few)
        coords[part] += steps(heatmaps[part], peaks[part], room)
    return coords, scores


def decode_to_image(
    heatmaps: np.ndarray, center: np.ndarray, scale: np.ndarray, method: str = "dark", convention: str | None = None
) -> np.ndarray:
    """Keypoints (B, J, 3), x and y in image px and score, of heatmaps (B, J, h, w) of crops.

    `center` (B, 2) px and `scale` (B, 2) / 200 px say where the crops lie.
    `convention` is that of the crops, by default the one that belongs to `method`.
    """
    coords, scores = decode(heatmaps, method)
    size_wh = heatmaps.shape[3], heatmaps.shape[2]
    convention = convention or convention_of(method)
    return np.concatenate([heatmap_to_image(coords, center, scale, size_wh, convention), scores[..., None]], axis=2)


def convention_of(method: str) -> str:
    """The convention of the crops that a decoding belongs to."""
    return method if method in CONVENTIONS else "dark"


def find_peaks(heatmaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest pixel (B, J, 2) int, x and y, and its value (B, J), of heatmaps (B, J, h, w).

    Where no value is above 0 the pixel is (0, 0).
    """
    width = heatmaps.shape[3]
    flat = heatmaps.reshape(*heatmaps.shape[:2], -1)
    index = flat.argmax(axis=2)
    scores = np.take_along_axis(flat, index[..., None], axis=2)[..., 0]
    index = np.where(scores > 0, index, 0)
    return np.stack([index % width, index // width], axis=2), scores


def _quarter_steps(heatmaps: np.ndarray, peaks: np.ndarray, room: np.ndarray) -> np.ndarray:
    steps = np.zeros(peaks.shape)
    at, inside = _Neighbours.around(heatmaps, peaks, margin=1)
    steps[inside] = 0.25 * np.sign(np.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], axis=1))
    return steps


def _taylor_steps(heatmaps: np.ndarray, peaks: np.ndarray, room: np.ndarray) -> np.ndarray:
    """-H^-1 g of the smoothed maps' logarithm at the peaks (B, J, 2); 0 near the border or where H is singular."""
    steps = np.zeros(peaks.shape)
    at, inside = _Neighbours.around(smooth(heatmaps, room), peaks, margin=2, log=True)
    centre = at(0, 0)
    dx, dy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    dxx, dyy = (at(2, 0) - 2 * centre + at(-2, 0)) / 4, (at(0, 2) - 2 * centre + at(0, -2)) / 4
    dxy = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    determinant = dxx * dyy - dxy * dxy
    regular = determinant != 0
    divisor = np.where(regular, determinant, 1.0)
    step = np.stack([(dxy * dy - dyy * dx) / divisor, (dxy * dx - dxx * dy) / divisor], axis=1)
    steps[inside] = step * regular[:, None]
    return steps


def _short_taylor_steps(heatmaps: np.ndarray, peaks: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The same of differences over one pixel, the border's values repeated outside; 0 for a map without a peak.

    The smoothing reflects at the border, and H has float32's epsilon added to its diagonal, as published.
    """
    batch, joints, height, width = heatmaps.shape
    _, maps = _blurred(heatmaps, _blur_matrix(height, reflect=True), _blur_matrix(width, reflect=True).T, room)
    x, y = peaks.reshape(-1, 2).T
    rows = np.arange(len(maps))

    def at(dx: int, dy: int) -> np.ndarray:
        values = maps[rows, np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
        return np.log(np.clip(values, *UDP_RANGE))

    centre, left, right, above, below = at(0, 0), at(-1, 0), at(1, 0), at(0, -1), at(0, 1)
    dx, dy = (right - left) / 2, (below - above) / 2
    epsilon = np.finfo(np.float32).eps
    dxx, dyy = right - 2 * centre + left + epsilon, below - 2 * centre + above + epsilon
    dxy = (at(1, 1) - right - below + 2 * centre - left - above + at(-1, -1)) / 2
    determinant = dxx * dyy - dxy * dxy
    usable = (determinant != 0) & (heatmaps.reshape(len(maps), -1).max(axis=1) > 0)
    step = np.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], axis=1)
    step /= np.where(usable, determinant, np.inf)[:, None]
    return step.reshape(batch, joints, 2)


class _Neighbours:
    """Values of maps around their peaks: at(dx, dy) is (n,), one value for each peak far enough from the border."""

    def __init__(self, maps: np.ndarray, x: np.ndarray, y: np.ndarray, log: bool) -> None:
        self.maps, self.x, self.y, self.log = maps, x, y, log
        self.rows = np.arange(len(maps))

    @classmethod
    def around(
        cls, heatmaps: np.ndarray, peaks: np.ndarray, margin: int, log: bool = False
    ) -> tuple[_Neighbours, np.ndarray]:
        """`margin`: peaks with 1 < x < w - margin, and y likewise, qualify, as the published code has it (a
        column more on the left than the differences need). Returns also which ones do, (B, J) bool."""
        height, width = heatmaps.shape[2:]
        x, y = peaks[..., 0], peaks[..., 1]
        inside = (x > 1) & (x < width - margin) & (y > 1) & (y < height - margin)
        return cls(heatmaps[inside], x[inside], y[inside], log), inside

    def __call__(self, dx: int, dy: int) -> np.ndarray:
        values = self.maps[self.rows, self.y + dy, self.x + dx].astype(np.float64)
        return np.log(np.maximum(values, LOWEST)) if self.log else values


def smooth(heatmaps: np.ndarray, room: np.ndarray | None = None) -> np.ndarray:
    """Heatmaps (B, J, h, w) under a Gaussian (sigma 2, 11 taps, zeros outside), scaled to their old maxima; float64.

    The result lies in `room` (3, B * J or more, h, w), float64, where one is given.
    """
    count = heatmaps.shape[0] * heatmaps.shape[1]
    height, width = heatmaps.shape[2:]
    room = np.empty((3, count, height, width)) if room is None else room
    maps, blurred = _blurred(heatmaps, _blur_matrix(height), _blur_matrix(width), room)
    before, after = (values.reshape(count, -1).max(axis=1) for values in (maps, blurred))
    blurred *= (before / np.where(after == 0, 1.0, after))[:, None, None]
    return blurred.reshape(heatmaps.shape)


def _blurred(
    heatmaps: np.ndarray, of_columns: np.ndarray, of_rows: np.ndarray, room: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The maps (B * J, h, w), and of_columns @ map @ of_rows of each. Both lie in `room`: fresh memory costs more."""
    maps, between, blurred = room[:, : heatmaps.shape[0] * heatmaps.shape[1]]
    maps[:] = heatmaps.reshape(maps.shape)
    np.matmul(of_columns, maps, out=between)
    return maps, np.matmul(between, of_rows, out=blurred)


def gaussian_kernel() -> np.ndarray:
    """The smoothing's weights (11,), which sum to 1."""
    distance = np.arange(BLUR_TAPS) - BLUR_TAPS // 2
    weights = np.exp(-(distance**2) / (2 * BLUR_SIGMA**2))
    return weights / weights.sum()


@lru_cache(maxsize=8)
def _blur_matrix(size: int, reflect: bool = False) -> np.ndarray:
    """(size, size): row i holds the kernel centred at i, cut at the ends (then symmetric), or reflected there."""
    kernel = gaussian_kernel()
    if reflect:
        source = np.pad(np.arange(size), BLUR_TAPS // 2, mode="reflect")
        blur = np.zeros((size, size))
        for tap, weight in enumerate(kernel):
            np.add.at(blur, (np.arange(size), source[tap : tap + size]), weight)
        return blur
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    reach = BLUR_TAPS // 2
    return np.where(distance <= reach, kernel[reach + np.minimum(distance, reach)], 0.0)
