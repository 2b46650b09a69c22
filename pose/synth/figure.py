"""A figure in an image: a body, its look, where it stands; and its keypoints with their visibility."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..datasets.coco import SKELETON as COCO
from ..datasets.mpii import SKELETON as MPII
from .body import HEAD_AXES, INDEX, Body
from .clothing import Look

# What a pixel of a figure shows; a pixel's owner is 1 + PARTS_PER_FIGURE * figure + part (0: not a figure).
PARTS = (
    "chest", "pelvis", "neck", "head", "hair", "left_upper_arm", "right_upper_arm", "left_forearm", "right_forearm",
    "left_thigh", "right_thigh", "left_shin", "right_shin", "extra",
)  # fmt: skip
PARTS_PER_FIGURE = 16
PART = {name: index for index, name in enumerate(PARTS)}

PERSPECTIVE = 0.12  # a point one stature nearer to the camera appears this much larger

_X_DOWN = np.array((1, -1j, 0))
_ANGLES = 2 * np.pi * np.arange(16) / 16
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])

OUTSIDE, OCCLUDED, VISIBLE = 0, 1, 2  # COCO's visibility flags

# The parts in which a joint shows. A joint inside the trunk also needs to lie on the near side of it.
_TRUNK = {PART["chest"], PART["pelvis"]}
_SHOWN_BY = {
    "nose": {"head"}, "eye": {"head"}, "ear": {"head"}, "shoulder": {"upper_arm"}, "elbow": {"upper_arm", "forearm"},
    "wrist": {"forearm"}, "hip": {"thigh"}, "knee": {"thigh", "shin"}, "ankle": {"shin"},
}  # fmt: skip
_FAR_SIDE = -0.75  # of half the trunk's width: turned away by some 50 degrees and more


@dataclass(frozen=True)
class Figure:
    """`scale` px per stature; `origin` (x + iy, px) is where the pelvis lies."""

    body: Body
    look: Look
    scale: float
    origin: complex

    def project(self, points: np.ndarray) -> np.ndarray:
        """View-frame points (n, 3) to complex pixels (n,)."""
        return self.origin + (self.scale + self.scale * PERSPECTIVE * points[:, 2]) * (points @ _X_DOWN)

    @cached_property
    def pixels(self) -> np.ndarray:
        """(27,) complex, the projected rows of body.POINTS."""
        return self.project(self.body.points)

    def pixel(self, name: str) -> complex:
        return complex(self.pixels[INDEX[name]])

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """About what the drawn figure covers: x0, y0, x1, y1 in px."""
        x, y, margin = self.pixels.real, self.pixels.imag, 0.045 * self.scale
        return float(x.min() - margin), float(y.min() - margin), float(x.max() + margin), float(y.max() + margin)

    @cached_property
    def skull_root(self) -> np.ndarray:
        """(2, 2) lower triangle L: L @ (unit circle) is the skull's outline around its centre, px, y up.

        The shadow of an ellipsoid with half-axes as columns of A is an ellipse, L @ L.T = A[:2] @ A[:2].T.
        """
        axes = (self.body.head_frame * (HEAD_AXES * self.body.build.head))[:2] * self.scale
        (a, b), (_, d) = (axes @ axes.T).tolist()
        left = a**0.5
        return np.array(((left, 0.0), (b / left, max(d - (b / left) ** 2, 1e-9) ** 0.5)))

    @cached_property
    def skull_outline(self) -> np.ndarray:
        """(16,) complex px."""
        x, y = self.skull_root @ _CIRCLE
        return self.pixel("head") + x - 1j * y


def _shown_by(name: str) -> set[int]:
    side, _, kind = name.partition("_")
    if not kind:
        side, kind = "", side
    parts = {PART[part] if part in PART else PART[f"{side}_{part}"] for part in _SHOWN_BY[kind]}
    return parts | (_TRUNK if kind in ("shoulder", "hip") else set())


_COCO_ROWS = [INDEX[name] for name in COCO.keypoints]
_COCO_SHOWN_BY = [_shown_by(name) for name in COCO.keypoints]
_FACIAL = {"nose": -0.15, "left_eye": 0.0, "right_eye": 0.0, "left_ear": -0.3, "right_ear": -0.3}


def coco_keypoints(figure: Figure, index: int, owner: np.ndarray) -> np.ndarray:
    """(17, 3) x, y in px and COCO's flag, rounded to 1/100 px.

    0: outside the image, or on a side of the head that is turned away (an annotator cannot place it), and x = y = 0;
    1: hidden by another part, person or thing; 2: seen. `owner` is the canvas's after all is drawn, `index` the
    figure's number on it.
    """
    height, width = owner.shape
    pixels = figure.pixels[_COCO_ROWS].view(np.float64).round(2).reshape(-1, 2)
    keypoints = np.zeros((len(_COCO_ROWS), 3))
    body = figure.body
    far = {
        "shoulder": body["thorax"][2] + _FAR_SIDE * body.build.shoulder,
        "hip": body["pelvis"][2] + _FAR_SIDE * body.build.hip,
    }
    for row, (name, (x, y)) in enumerate(zip(COCO.keypoints, pixels.tolist(), strict=True)):
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            continue
        if name in _FACIAL and body.facing[name] < _FACIAL[name]:
            continue
        part = int(owner[round(y), round(x)]) - 1 - PARTS_PER_FIGURE * index
        seen = part in _COCO_SHOWN_BY[row]
        if seen and part in _TRUNK:
            seen = bool(body.points[_COCO_ROWS[row], 2] > far[name.partition("_")[2]])
        if name.endswith("ear") and figure.look.hair_style == "long":
            seen = False
        keypoints[row] = x, y, VISIBLE if seen else OCCLUDED
    return keypoints


_MPII_FROM_BODY = {"pelvis": "pelvis", "thorax": "thorax", "upper_neck": "neck", "head_top": "head_top"}
_MPII_ROWS = [INDEX[_MPII_FROM_BODY.get(name, name)] for name in MPII.keypoints]


def mpii_keypoints(figure: Figure, shape: tuple[int, int]) -> np.ndarray:
    """(16, 3) x, y in px (0-based) and 1 where the joint lies inside the image of `shape` (H, W), else 0, 0, 0."""
    pixels = figure.pixels[_MPII_ROWS]
    joints = np.stack([pixels.real.round(2), pixels.imag.round(2), np.ones(len(pixels))], axis=1)
    inside = (joints[:, 0] >= 0) & (joints[:, 0] <= shape[1] - 1) & (joints[:, 1] >= 0) & (joints[:, 1] <= shape[0] - 1)
    return joints * inside[:, None]
