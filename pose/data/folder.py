"""A data folder of either layout, and its splits as lists of people."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError
from . import coco, mpii
from .boxes import check_convention
from .person import DataSplit

_MARKS = {"coco": "annotations", "mpii": "annot"}  # the folder of annotations tells the layouts apart


def detect_layout(root: str | os.PathLike[str]) -> tuple[str, Path]:
    """The layout ("coco" or "mpii") and the folder that holds its annotations: `root` itself, or coco/ or mpii/ in it.

    Raises InputError when there are no annotations, or both layouts.
    """
    root = Path(os.path.abspath(os.path.expanduser(root)))
    if not os.path.isdir(root):
        raise InputError(f"{root}: {'not a folder' if os.path.exists(root) else 'no such data folder'}")
    for candidates in (
        [(layout, root) for layout in _MARKS],
        [(layout, root / layout) for layout in _MARKS],
    ):
        found = [(layout, folder) for layout, folder in candidates if os.path.isdir(folder / _MARKS[layout])]
        if len(found) == 1:
            return found[0]
        if found:
            places = " and ".join(str(folder / _MARKS[layout]) for layout, folder in found)
            raise InputError(f"{root}: holds both COCO and MPII data ({places}); name the folder of one of them")
    raise InputError(
        f"{root}: no annotations here; expected annotations/person_keypoints_val2017.json (COCO) or "
        "annot/valid.json (MPII), in this folder or in its coco/ or mpii/"
    )


def load_people(
    root: str | os.PathLike[str],
    split: str,
    *,
    boxes: str | os.PathLike[str] = "gt",
    input_size: tuple[int, int] = (256, 192),
    convention: str = "dark",
) -> DataSplit:
    """The people of a split ("train" or "val"; MPII also "trainval" and "test") of a data folder of either layout.

    `boxes` is "gt" or a file of person detections (COCO only); `input_size` (H, W) gives the crop's aspect ratio;
    `convention` is the crops' (boxes.py). Images are not touched. Raises InputError in one line for whatever is wrong
    with the folder or its files.
    """
    check_convention(convention)
    layout, folder = detect_layout(root)
    boxes = os.fspath(boxes)
    if layout == "coco":
        return _load_coco(folder, split, boxes, input_size[1] / input_size[0], convention)
    if boxes != "gt":
        raise InputError(f"{folder}: MPII is evaluated on its annotated boxes; --boxes must be gt, found {boxes}")
    split = {"val": "valid"}.get(split, split)
    path = _present(mpii.annotation_file(folder, _known(split, mpii.SPLITS)))
    people = mpii.annotated_people(path, folder / "images", needs_joints=split != "test")
    if not people:
        raise InputError(f"{path}: no people in it")
    return DataSplit("mpii", folder, "val" if split == "valid" else split, people, path)


def _load_coco(folder: Path, split: str, boxes: str, aspect_ratio: float, convention: str) -> DataSplit:
    split = {"valid": "val"}.get(split, split)
    path = _present(coco.annotation_file(folder, _known(split, coco.SPLITS)))
    file = coco.read_coco(path, coco.image_folder(folder, split))
    if boxes == "gt":
        people = coco.annotated_people(file, aspect_ratio, convention)
    else:
        boxes = str(coco.detection_file(folder, boxes))
        people = coco.detected_people(Path(boxes), file, aspect_ratio, convention)
    if not people:
        what = "with keypoints" if boxes == "gt" else f"of score >= {coco.DETECTION_THRESHOLD}"
        raise InputError(f"{path if boxes == 'gt' else boxes}: no people {what} in it")
    return DataSplit("coco", folder, split, people, path, boxes)


def _known(split: str, splits: tuple[str, ...]) -> str:
    if split not in splits:
        raise InputError(f"unknown split {split!r}: this folder's layout has {', '.join(splits)}")
    return split


def _present(path: Path) -> Path:
    """`path` if it is a file, else InputError with the files that are there instead."""
    if not os.path.isfile(path):
        there = sorted(other.name for other in path.parent.glob("*.json"))[:4]
        raise InputError(f"{path}: the annotation file is missing (there is: {', '.join(there) or 'no JSON file'})")
    return path
