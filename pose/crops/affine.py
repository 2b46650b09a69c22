"""The one affine map of this family: a rotated box in the image onto the network's input, and back.

It is a similarity: the box's width decides the magnification, the crop's height only how much is seen. "udp" alone
fits both sides of the box to those of the output, which differ by a pixel in their ratio.
Sizes are (width, height) in px here, pixel centres lie at integers.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from .boxes import PADDING, PIXELS_PER_SCALE

# What "dark" leaves of a padded box of one pixel; anything thinner is treated as that, lest it turn inside out.
SMALLEST_SPAN = PADDING - 1


def _magnification(scale: np.ndarray, out_size_wh: tuple[int, int], convention: str) -> np.ndarray:
    """Output px per image px in x and y (..., 2), for box sizes `scale` (..., 2)."""
    scale, out = np.asarray(scale, dtype=np.float64), np.array(out_size_wh)
    if convention != "udp":  # the width decides for both
        scale, out = scale[..., [0, 0]], out[[0, 0]]
    return (out - _less(convention)) / np.maximum(PIXELS_PER_SCALE * scale - (convention == "dark"), SMALLEST_SPAN)


def _middle(out_size_wh: tuple[int, int], convention: str) -> tuple[float, float]:
    """The point of the output that the box centre lands on."""
    less = _less(convention)
    return (out_size_wh[0] - less) / 2, (out_size_wh[1] - less) / 2


def _less(convention: str) -> int:
    """How many steps fewer than pixels the output spans."""
    return 0 if convention == "hrnet" else 1


def crop_matrix(
    center: np.ndarray,
    scale: np.ndarray,
    rotation_deg: float,
    size_wh: tuple[int, int],
    *,
    convention: str = "dark",
) -> np.ndarray:
    """Matrix (2, 3), float64, from image px to output px.

    `center` (2,) px, `scale` (2,) in units of 200 px, `size_wh` the output's (width, height). The centre goes to the
    output's middle, and the direction "up" turned by `rotation_deg` becomes the output's "up".
    """
    by_x, by_y = _magnification(scale, size_wh, convention).tolist()
    angle = math.radians(rotation_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    middle_x, middle_y = _middle(size_wh, convention)
    x, y = float(center[0]), float(center[1])
    a, b, c, d = by_x * cos, by_x * sin, by_y * sin, by_y * cos
    return np.array([[a, b, middle_x - a * x - b * y], [-c, d, middle_y + c * x - d * y]])


def mirrored(matrix: np.ndarray, image_width: int) -> np.ndarray:
    """`matrix` (2, 3) for the mirror image of an image of `image_width` px, applied to the image as it is."""
    result = matrix.copy()
    result[:, 2] += matrix[:, 0] * (image_width - 1)
    result[:, 0] *= -1
    return result


def apply_affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map points (..., 2) by a matrix (2, 3)."""
    return np.asarray(points) @ matrix[:, :2].T + matrix[:, 2]


def heatmap_to_image(
    coords: np.ndarray,
    center: np.ndarray,
    scale: np.ndarray,
    heatmap_size_wh: tuple[int, int],
    convention: str = "dark",
) -> np.ndarray:
    """Heat-map px (..., J, 2) to image px, for unrotated crops; `center` and `scale` are (..., 2), one per crop."""
    center, scale = np.asarray(center, dtype=np.float64), np.asarray(scale, dtype=np.float64)
    factor = _magnification(scale, heatmap_size_wh, convention)
    offset = np.asarray(coords, dtype=np.float64) - np.array(_middle(heatmap_size_wh, convention))
    return center[..., None, :] + offset / factor[..., None, :]


def warp_crop(image: np.ndarray, matrix: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Crop an image (H, W, C) by a matrix (2, 3) from image to output px: bilinear, black outside the image."""
    return cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_LINEAR)
