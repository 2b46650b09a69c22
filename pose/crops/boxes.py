"""From a person's box to the centre and scale of the crop.

Three conventions: as in the two branches of the HRNet family "dark" (unbiased: a box of w pixels spans w - 1 pixel
steps) and "hrnet" (it spans w); and "udp" (boxes as "hrnet", but the box spans the w - 1 steps between the output's
outermost pixels: Huang et al., The Devil is in the Details, CVPR 2020, arXiv 1911.07524), ViTPose's.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError

CONVENTIONS = ("dark", "hrnet", "udp")
PIXELS_PER_SCALE = 200.0  # the unit of `scale` since MPII's annotations
PADDING = 1.25


def check_convention(convention: str) -> str:
    """Return `convention`, or raise InputError if it is none of `CONVENTIONS`."""
    if convention not in CONVENTIONS:
        raise InputError(f"unknown coordinate convention {convention!r}: use {', '.join(CONVENTIONS)}")
    return convention


def box_to_center_scale(
    xywh: tuple[float, float, float, float] | np.ndarray, aspect_ratio: float, convention: str = "dark"
) -> tuple[np.ndarray, np.ndarray]:
    """Centre (2,) in px and scale (2,) in units of 200 px of a box (x, y, width, height) in px.

    The shorter side grows until width / height = `aspect_ratio`, then both are padded by 1.25 (except where the
    centre's x is exactly -1, the family's mark for "unknown").
    """
    x, y, width, height = (float(value) for value in xywh)
    less = 1.0 if convention == "dark" else 0.0
    center = np.array([x + (width - less) / 2, y + (height - less) / 2])
    width, height = max(width, height * aspect_ratio), max(height, width / aspect_ratio)
    padding = 1.0 if center[0] == -1 else PADDING
    return center, np.array([width, height]) / PIXELS_PER_SCALE * padding


def clip_box(
    xywh: tuple[float, float, float, float] | np.ndarray, width: int, height: int, convention: str = "dark"
) -> tuple[float, float, float, float] | None:
    """Clip a box (x, y, width, height) in px to an image of `width` x `height` px; None if nothing of it is inside."""
    x, y, box_width, box_height = (float(value) for value in xywh)
    left, top = max(0.0, x), max(0.0, y)
    right = min(width - 1.0, left + max(0.0, box_width - 1))
    bottom = min(height - 1.0, top + max(0.0, box_height - 1))
    if right < left or bottom < top:
        return None
    more = 1.0 if convention == "dark" else 0.0
    return left, top, right - left + more, bottom - top + more
