"""The one affine map of this family: a rotated box in the image onto the network's input, and back.

It is a similarity: the box's width decides the magnification, the crop's height only how much is seen.
Sizes are (width, height) in px here, pixel centres lie at integers.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from .boxes import PADDING, PIXELS_PER_SCALE

# What "dark" leaves of a padded box of one pixel; anything thinner is treated as that, lest it turn inside out.
SMALLEST_SPAN = PADDING - 1


def _magnification(scale_width: float | np.ndarray, out_width: int, convention: str) -> float | np.ndarray:
    """Output px per image px."""
    less = 1 if convention == "dark" else 0
    return (out_width - less) / np.maximum(PIXELS_PER_SCALE * scale_width - less, SMALLEST_SPAN)


def _middle(out_size_wh: tuple[int, int], convention: str) -> tuple[float, float]:
    """The point of the output that the box centre lands on."""
    less = 1 if convention == "dark" else 0
    return (out_size_wh[0] - less) / 2, (out_size_wh[1] - less) / 2


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
    factor = float(_magnification(float(scale[0]), size_wh[0], convention))
    angle = math.radians(rotation_deg)
    cos, sin = factor * math.cos(angle), factor * math.sin(angle)
    middle_x, middle_y = _middle(size_wh, convention)
    x, y = float(center[0]), float(center[1])
    return np.array([[cos, sin, middle_x - cos * x - sin * y], [-sin, cos, middle_y + sin * x - cos * y]])


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
    factor = _magnification(scale[..., 0], heatmap_size_wh[0], convention)
    offset = np.asarray(coords, dtype=np.float64) - np.array(_middle(heatmap_size_wh, convention))
    return center[..., None, :] + offset / np.asarray(factor)[..., None, None]


def warp_crop(image: np.ndarray, matrix: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Crop an image (H, W, C) by a matrix (2, 3) from image to output px: bilinear, black outside the image."""
    return cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_LINEAR)
