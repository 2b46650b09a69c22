"""MPII annotations in the JSON format of the HRNet family as lists of people.

Layout (below the folder): annot/{train,valid,trainval,test}.json, annot/gt_valid.mat, images/<image>.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..crops.boxes import PADDING
from ..crops.person import DataSplit, Person, known_split, present
from ..datasets.descriptor import Dataset
from ..datasets.mpii import SKELETON as MPII
from ..errors import InputError
from .cache import cached_people
from .fields import FieldError, OnFault, Stop, get, get_file_name, get_number, get_pixels, read_json, shown

SPLITS = ("train", "valid", "trainval", "test")
UNKNOWN = -1.0  # a centre whose x is this means: unknown
DOWN = 15.0  # px per unit of scale: MPII's centre sits high, and feet would be cut off


def annotation_file(folder: Path, split: str) -> Path:
    """Where the annotations of a split lie."""
    return folder / "annot" / f"{split}.json"


def ground_truth_file(folder: Path) -> Path:
    """Where the head sizes and joints for PCKh of the split "valid" lie."""
    return folder / "annot" / "gt_valid.mat"


def read_entries(path: Path) -> list[Any]:
    """The raw list of entries of an annotation file. Raises InputError."""
    entries = read_json(path)
    if type(entries) is not list:
        raise InputError(f"{path}: must be a list of people, found {shown(entries)} (not an MPII JSON file?)")
    return entries


def read_split(
    folder: Path, split: str, dataset: Dataset, *, boxes: str, aspect_ratio: float, convention: str = "dark"
) -> DataSplit:
    """All people of a split, in the file's order, with MPII's own square boxes in any aspect ratio and convention."""
    if boxes != "gt":
        raise InputError(f"{folder}: MPII is evaluated on its annotated boxes; --boxes must be gt, found {boxes}")
    split = known_split({"val": "valid"}.get(split, split), SPLITS)
    path = present(annotation_file(folder, split))
    images_at = folder / "images"

    def read() -> list[Person]:
        entries = read_people(path, images_at, needs_joints=split != "test")
        return [person for _, person in entries if person is not None]

    people = cached_people((path,), ("mpii", split != "test"), images_at, read)
    if not people:
        raise InputError(f"{path}: no people in it")
    return DataSplit(dataset, folder, "val" if split == "valid" else split, people, path)


def read_people(
    path: Path, images_at: Path, on_fault: OnFault | None = None, *, needs_joints: bool = True
) -> Iterator[tuple[str, Person | None]]:
    """Every sound entry of an annotation file, and how messages call it; None for a person whose place is unknown.

    The crop is MPII's centre, moved down by 15 px per unit of scale, and its scale grown by 1.25; pixels become
    0-based; `image_id` and `person_id` are the place in the file. `needs_joints=False` allows entries without joints
    (the test split). InputError where the file is no list; a broken entry goes to `on_fault`, by default as InputError.
    """
    on_fault = on_fault or Stop(path)
    for position, entry in enumerate(read_entries(path)):
        try:
            person = parse_entry(entry, position, images_at, needs_joints=needs_joints)
        except FieldError as error:
            on_fault(f"person {position}: {error}")
            continue
        yield f"person {position}", person


def parse_entry(entry: Any, position: int, images_at: Path, *, needs_joints: bool = True) -> Person | None:
    """One entry as a Person; None where neither centre nor scale is known. Raises FieldError."""
    name = get_file_name(entry, "image", images_at)
    center = get_pixels(entry, "center", (2,))
    scale = get_number(entry, "scale")
    known = center[0] != UNKNOWN
    if not 0 < scale < 1000:
        if not known:
            return None
        raise FieldError(f"'scale' must be a positive size in units of 200 px, found {shown(get(entry, 'scale'))}")
    if known:
        center[1] += DOWN * scale
        scale *= PADDING
    joints = visible = None
    if needs_joints or "joints" in entry:
        joints = get_pixels(entry, "joints", (MPII.num_keypoints, 2)) - 1
        visible = get_pixels(entry, "joints_vis", (MPII.num_keypoints,))
        if not np.isin(visible, (0, 1)).all():
            raise FieldError("'joints_vis' must hold 0 or 1")
    return Person(images_at / name, position, position, center - 1, np.array([scale, scale]), joints, visible)
