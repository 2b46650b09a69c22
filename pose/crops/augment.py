"""Training augmentation of the HRNet family, on a person's box and joints; the pixels follow with the crop's matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..datasets.augmentation import Augmentation
from ..keypoints import Skeleton
from .boxes import PIXELS_PER_SCALE
from .person import Person

ROTATION_PROBABILITY = 0.6
HALF_BODY_PADDING = 1.5
SMALLEST_HALF = 3  # joints; fewer visible ones do not stand for half a body


SYNTH_AUGMENTATION = Augmentation(scale=0.15, rotation=15.0, half_body=0.0)


@dataclass(frozen=True)
class Draw:
    """What chance decided for one sample: factor on the scale, degrees, mirrored or not, and which half of the body."""

    scale_factor: float = 1.0
    rotation_deg: float = 0.0
    flip: bool = False
    half: str | None = None  # "upper" | "lower" | None: the whole body
    half_min: int = 0  # visible joints a person must have for `half` to be applied


WHOLE_AND_UPRIGHT = Draw()


def draw_augmentation(augmentation: Augmentation, random: np.random.Generator) -> Draw:
    """Draw for one sample. Always the same number of random values, so that one setting does not shift another."""
    chance_half, which_half, chance_rotation, chance_flip = random.random(4)
    scale_normal, rotation_normal = random.standard_normal(2)
    change = max(-1.0, min(1.0, scale_normal)) * augmentation.scale
    rotation = max(-2.0, min(2.0, rotation_normal)) * augmentation.rotation
    half = ("upper" if which_half < 0.5 else "lower") if chance_half < augmentation.half_body else None
    return Draw(
        scale_factor=float(1 + change),
        rotation_deg=float(rotation) if chance_rotation < ROTATION_PROBABILITY else 0.0,
        flip=bool(chance_flip < augmentation.flip),
        half=half,
        half_min=augmentation.half_body_min,
    )


def augmented_box(person: Person, draw: Draw, skeleton: Skeleton, aspect_ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Centre (2,) px and scale (2,) of a person's crop after half body and scaling."""
    center, scale = person.center, person.scale
    if draw.half and person.visible is not None and np.count_nonzero(person.visible) >= draw.half_min:
        box = half_body_box(person.keypoints, person.visible, skeleton, draw.half, aspect_ratio)
        center, scale = box or (center, scale)
    return center, scale * draw.scale_factor


def half_body_box(
    keypoints: np.ndarray, visible: np.ndarray, skeleton: Skeleton, half: str, aspect_ratio: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Centre and scale around the visible joints of one half ("upper" or "lower"), or None if too few are visible.

    If the wanted half shows fewer than three joints the other one is taken. The centre is the joints' mean; the box of
    their extent grows to `aspect_ratio` (width / height) and is padded by 1.5.
    """
    upper = np.zeros(len(visible), dtype=bool)
    upper[list(skeleton.upper_body)] = True
    chosen = upper if half == "upper" else ~upper
    seen = visible > 0
    if np.count_nonzero(chosen & seen) < SMALLEST_HALF:
        chosen = ~chosen
    points = keypoints[chosen & seen]
    if len(points) < SMALLEST_HALF:
        return None
    width, height = points.max(axis=0) - points.min(axis=0)
    width, height = max(width, height * aspect_ratio), max(height, width / aspect_ratio)
    if width < 2:  # all joints in one place: no box
        return None
    return points.mean(axis=0), np.array([width, height]) / PIXELS_PER_SCALE * HALF_BODY_PADDING


def flip_joints(
    keypoints: np.ndarray, visible: np.ndarray, image_width: int, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Joints (J, 2) in px and visibility (J,) in the mirror image of an image of `image_width` px: x' = width - 1 - x,
    left and right swapped."""
    order = skeleton.mirror_order
    flipped = keypoints[order]
    flipped[:, 0] = image_width - 1 - flipped[:, 0]
    return flipped, visible[order]
