"""The record of one person to be posed, and a split of a data folder as a list of such records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Person:
    """One person in one image: where the crop goes, and what is annotated. Pixels are 0-based.

    `image_id` is the COCO image id (MPII: the entry's index in its file). `person_id` is the COCO annotation id
    (detections and MPII: a running index), unique in a list. `center` (2,) px; `scale` (2,) is the box size / 200
    after growing to the crop's aspect ratio and padding by 1.25. `keypoints` (J, 2) px and `visible` (J,) 0 or 1 are
    None where nothing is annotated. `area` is COCO's annotated area in px^2 where known.
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


@dataclass(frozen=True)
class DataSplit:
    """The people of one split. `layout` is "coco" or "mpii" (also the skeleton's name); `root` is the folder that holds
    the annotations; `boxes` is "gt" or the detection file's path."""

    layout: str
    root: Path
    split: str
    people: list[Person]
    annotation_file: Path
    boxes: str = "gt"
