"""The keypoints that a COCO-style folder brings: from its annotation file, and from a small keypoints.yaml beside it.

name: hand                        # default: the category's name
pairs: [[left_eye, right_eye]]    # mirror pairs; default: the names that differ in left/right or l/r alone
sigmas: 0.04                      # of OKS: one for all, or {wrist: 0.06, ...}; default 0.05 each
upper_body: [wrist, thumb_tip]    # for half-body augmentation; default: none is taken
crop: "1:1"                       # width to height of the crops, "3:4" (the default) or "1:1"
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.described import DEFAULT_SIGMA, describe
from ..datasets.descriptor import TALL, Dataset
from ..errors import InputError
from ..yaml_file import read_yaml
from .cache import cached
from .coco import annotation_file, person_category
from .fields import FieldError, read_json, shown

FILE = "keypoints.yaml"
LARGEST_FILE = 100_000  # bytes
KEYS = ("name", "pairs", "sigmas", "upper_body", "crop")


def adapt(dataset: Dataset, folder: Path) -> Dataset:
    """The data set that the annotations of a COCO-style folder are of: `dataset` itself unless they name other
    keypoints, or keypoints.yaml is there. InputError for keypoints that are none."""
    for split in ("val", "train"):
        path = annotation_file(folder, split)
        if path.is_file():
            break
    else:
        return dataset
    status = path.stat()
    category = _category(path, status.st_mtime_ns, status.st_size)
    own = path.parent / FILE
    if category is None or (tuple(category["keypoints"]) == dataset.skeleton.keypoints and not own.is_file()):
        return dataset
    names = category["keypoints"]
    wanted = _read_yaml(own) if own.is_file() else {}
    try:
        name = str(wanted.get("name") or _name(category, len(names)))
        limbs = [[end - 1 for end in limb] for limb in category.get("skeleton") or ()]
        return describe(name, names, limbs=limbs, **_arguments(wanted, names, own))
    except TypeError:
        raise InputError(f"{path}: 'skeleton' must be pairs of keypoint numbers, from 1 on") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


@lru_cache(maxsize=8)
def _category(path: Path, changed: int, size: int) -> dict[str, Any] | None:
    """The category of the people, with its keypoints; None where no such thing can be read (which the reader tells)."""

    def make() -> dict[str, np.ndarray]:
        return {"category": np.frombuffer(json.dumps(_read_category(path)).encode(), np.uint8)}

    return cached((path,), ("category",), lambda kept: json.loads(kept["category"].tobytes()), make)


def _read_category(path: Path) -> dict[str, Any] | None:
    try:
        categories = read_json(path)["categories"]
        identity = person_category(categories)
        found = next(category for category in categories if category["id"] == identity and category.get("keypoints"))
        return found if type(found["keypoints"]) is list else None
    except (InputError, FieldError, LookupError, TypeError, AttributeError, StopIteration):
        return None


def _name(category: dict[str, Any], keypoints: int) -> str:
    name = re.sub(r"\W+", "_", str(category.get("name") or "keypoints").lower()).strip("_")
    return name if name not in ("", "person") else f"person_{keypoints}"


def _read_yaml(path: Path) -> dict[str, Any]:
    content = read_yaml(path, LARGEST_FILE)
    if content is None:
        return {}
    if type(content) is not dict:
        raise InputError(f"{path}: must hold keys such as {', '.join(KEYS)}, found {shown(content)}")
    for key in content:
        if key not in KEYS:
            raise InputError(f"{path}: unknown key {shown(key)}; known are {', '.join(KEYS)}")
    return content


def _arguments(wanted: dict[str, Any], names: list[str], path: Path) -> dict[str, Any]:
    """Arguments of `describe`, from what keypoints.yaml says by name."""

    def index(name: Any) -> int:
        if name not in names:
            raise InputError(f"{path}: no keypoint {shown(name)}; there are {', '.join(names)}")
        return names.index(name)

    return {
        "crop": wanted.get("crop", TALL),
        "upper_body": _each(path, "upper_body", wanted.get("upper_body", []), index),
        "flip_pairs": None
        if wanted.get("pairs") is None
        else _each(path, "pairs", wanted["pairs"], lambda pair: _each(path, "pairs", pair, index)),
        "sigmas": _sigmas(wanted.get("sigmas", DEFAULT_SIGMA), names, index),
    }


def _each(path: Path, key: str, values: Any, read: Callable[[Any], Any]) -> list[Any]:
    if type(values) is not list:
        raise InputError(f"{path}: {key!r} must be a list of keypoints, found {shown(values)}")
    return [read(value) for value in values]


def _sigmas(given: Any, names: list[str], index: Callable[[Any], int]) -> list[Any]:
    if type(given) is not dict:
        return given if type(given) is list else [given] * len(names)
    sigmas: list[Any] = [DEFAULT_SIGMA] * len(names)
    for name, sigma in given.items():
        sigmas[index(name)] = sigma
    return sigmas
