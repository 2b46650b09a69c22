"""A data set known from its annotation file alone: COCO's layout and metric, keypoints of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import InputError
from ..keypoints import Skeleton
from ..plugins import is_reference
from .augmentation import Augmentation
from .coco import COCO
from .descriptor import SQUARE, TALL, Dataset

#: OKS constant of a keypoint of which nothing is said, between those of COCO's face (0.025) and hips (0.107)
DEFAULT_SIGMA = 0.05
LONGEST_NAME = 100  # characters
_LEFT = {"left": "right", "l": "r"}
_SIDE = re.compile(r"(?<![a-z])(left|l)(?![a-z])|^(left)", re.IGNORECASE)


def describe(
    name: str,
    keypoints: Sequence[str],
    *,
    flip_pairs: Iterable[Sequence[int]] | None = None,
    limbs: Iterable[Sequence[int]] = (),
    upper_body: Iterable[int] = (),
    sigmas: Sequence[float] | None = None,
    crop: str = TALL,
) -> Dataset:
    """A data set with these keypoints, read and scored as COCO's.

    flip_pairs: from the names where not given (see `mirror_pairs`); sigmas: DEFAULT_SIGMA each where not given;
    upper_body: without it training takes no half bodies. InputError for what contradicts itself.
    """
    if not name or not name.isprintable() or len(name) > LONGEST_NAME or is_reference(name):
        allowed = f"its name must be up to {LONGEST_NAME} printable characters, without a colon"
        raise InputError(f"data set {name[:40]!r}: {allowed}")  # with one it would name code to import
    count = len(keypoints)
    if not count or not all(isinstance(k, str) and k for k in keypoints) or len(set(keypoints)) != count:
        raise InputError(f"data set {name}: keypoints must be names, each another; found {list(keypoints)}")
    pairs = mirror_pairs(keypoints) if flip_pairs is None else _indices(name, "flip_pairs", flip_pairs, count)
    if len({index for pair in pairs for index in pair}) != 2 * len(pairs):
        raise InputError(f"data set {name}: a keypoint is in two mirror pairs, or its own mirror image")
    sigmas = [DEFAULT_SIGMA] * count if sigmas is None else list(sigmas)
    good = all(type(sigma) in (int, float) and 0 < sigma < 10 for sigma in sigmas)
    if len(sigmas) != count or not good:
        raise InputError(f"data set {name}: sigmas must be {count} numbers above 0, found {sigmas}")
    if crop not in (TALL, SQUARE):
        raise InputError(f"data set {name}: crop is {crop!r}; give {TALL!r} or {SQUARE!r} (width to height)")
    upper = tuple(index for (index,) in _indices(name, "upper_body", [[index] for index in upper_body], count, 1))
    skeleton = Skeleton(
        tuple(keypoints), pairs, _indices(name, "limbs", limbs, count), upper, tuple(map(float, sigmas))
    )
    augment = Augmentation(half_body_min=count // 2 + 1) if upper else Augmentation(half_body=0.0)
    return replace(
        COCO, name=name, title=name, skeleton=skeleton, crop=crop, augment=augment, marks=(), synth=None, adapt=None,
        complete=False, described=True,
    )  # fmt: skip


def from_description(text: str) -> Dataset:
    """The data set that `Dataset.description` describes. InputError where the description is damaged."""
    try:
        values = json.loads(text)
        return describe(str(values.pop("name")), values.pop("keypoints"), **values)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"damaged description of a data set ({error})") from None


def mirror_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(left, right) indices of the names that differ in their side alone: left_eye and right_eye, l_hip and r_hip,
    wrist.L and wrist.R, leftEar and rightEar."""
    place = {name.lower(): index for index, name in enumerate(names)}
    pairs = []
    for index, name in enumerate(names):
        side = _SIDE.search(name)
        if side:
            other = name[: side.start()] + _LEFT[side.group().lower()] + name[side.end() :]
            if other.lower() in place:
                pairs.append((index, place[other.lower()]))
    return tuple(pairs)


def _indices(
    name: str, what: str, groups: Iterable[Sequence[int]], count: int, size: int = 2
) -> tuple[Any, ...]:
    found = tuple(tuple(group) for group in groups)
    for group in found:
        if len(group) != size or not all(type(index) is int and 0 <= index < count for index in group):
            raise InputError(f"data set {name}: {what} names keypoint {list(group)} of {count}")
    return found
