"""What of an image training can see of a person, whatever chance decides for the crop."""

from __future__ import annotations

import math

from ..datasets.augmentation import Augmentation
from ..keypoints import Skeleton
from .augment import half_body_box
from .boxes import PIXELS_PER_SCALE
from .person import Person

MARGIN = 3.0  # stored px around it: what bilinear interpolation reads beside, and the conventions' different middles


def crop_boxes(
    person: Person, augmentation: Augmentation, skeleton: Skeleton, aspect_ratio: float
) -> list[tuple[float, float, float, float]]:
    """Middle x and y, width and height in px of all boxes that a crop may start from, before it is scaled and turned:
    the whole person's, and each half's that there may be."""
    boxes = [(person.center, person.scale)]
    seen = 0 if person.visible is None else int((person.visible > 0).sum())
    if augmentation.half_body > 0 and seen >= augmentation.half_body_min:
        halves = [
            half_body_box(person.keypoints, person.visible, skeleton, half, aspect_ratio) for half in ("upper", "lower")
        ]
        boxes += [half for half in halves if half is not None]
    sizes = []
    for center, scale in boxes:
        width = PIXELS_PER_SCALE * float(scale[0])  # it decides the magnification, the crop's ratio what is seen
        height = max(PIXELS_PER_SCALE * float(scale[1]), width / aspect_ratio)
        sizes.append((float(center[0]), float(center[1]), width, height))
    return sizes


def visible_region(
    boxes: list[tuple[float, float, float, float]], augmentation: Augmentation, margin: float, image_wh: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Left, top, width and height in px, inside the image and at least a pixel, of all that crops from `boxes` may
    show, with `margin` px around."""
    turned = math.radians(min(90.0, 2 * augmentation.rotation))
    sides = []
    for x, y, width, height in boxes:
        across, down = width / 2 * (1 + augmentation.scale), height / 2 * (1 + augmentation.scale)
        half_width, half_height = _reach(across, down, turned) + margin, _reach(down, across, turned) + margin
        sides.append((x - half_width, y - half_height, x + half_width, y + half_height))
    lefts, tops, rights, bottoms = zip(*sides, strict=True)
    left, right = _inside(min(lefts), max(rights), image_wh[0])
    top, bottom = _inside(min(tops), max(bottoms), image_wh[1])
    return left, top, right - left, bottom - top


def _reach(along: float, across: float, most: float) -> float:
    """How far a rectangle of half sides `along` and `across` reaches along an axis, turned by up to `most` radians."""
    angle = min(most, math.atan2(across, along))
    return along * math.cos(angle) + across * math.sin(angle)


def _inside(low: float, high: float, size: int) -> tuple[int, int]:
    begin = min(max(math.floor(low), 0), size - 1)
    return begin, min(max(math.ceil(high) + 1, begin + 1), size)
