"""The record of one person to be posed, and a split of a data folder as a list of such records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.descriptor import Dataset
from ..errors import InputError

if TYPE_CHECKING:
    from .pack import PackedCrop


@dataclass(frozen=True)
class Person:
    """One person in one image: where the crop goes, and what is annotated. Pixels are 0-based.

    `image_id` is the COCO image id (MPII: the entry's index in its file). `person_id` is the COCO annotation id
    (detections and MPII: a running index), unique in a list. `center` (2,) px; `scale` (2,) is the box size / 200
    after growing to the crop's aspect ratio and padding by 1.25. `keypoints` (J, 2) px and `visible` (J,) 0 or 1 are
    None where nothing is annotated. `area` is COCO's annotated area in px^2 where known. `packed` is where this part of
    the image lies instead, for training (see pack.py).
    """

    image_path: Path
    image_id: int
    person_id: int
    center: np.ndarray
    scale: np.ndarray
    keypoints: np.ndarray | None
    visible: np.ndarray | None
    box_score: float = 1.0
    area: float | None = None
    packed: PackedCrop | None = None

    @property
    def labelled(self) -> np.ndarray | None:
        """The annotated keypoints (n, 2), None where nothing is annotated."""
        return None if self.keypoints is None or self.visible is None else self.keypoints[self.visible > 0]


@dataclass(frozen=True)
class DataSplit:
    """The people of one split. `dataset` says what they are annotated with; `root` is the folder that holds the
    annotations; `boxes` is "gt" or the detection file's path."""

    dataset: Dataset
    root: Path
    split: str
    people: Sequence[Person]
    annotation_file: Path
    boxes: str = "gt"

    @property
    def layout(self) -> str:
        """The data set's name."""
        return self.dataset.name


def known_split(split: str, splits: tuple[str, ...]) -> str:
    """`split` if it is one of `splits`; InputError otherwise."""
    if split not in splits:
        raise InputError(f"unknown split {split!r}: this folder's layout has {', '.join(splits)}")
    return split


def present(path: Path) -> Path:
    """`path` if it is a file, else InputError with the files that are there instead."""
    if not os.path.isfile(path):
        there = sorted(other.name for other in path.parent.glob("*.json"))[:4]
        raise InputError(f"{path}: the annotation file is missing (there is: {', '.join(there) or 'no JSON file'})")
    return path
