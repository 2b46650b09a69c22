"""The checks of MPII annotation files and of gt_valid.mat (see check.py)."""

from __future__ import annotations

from pathlib import Path

from ..datasets.descriptor import Dataset
from ..errors import InputError
from .head_sizes import read_head_sizes
from .mpii import SPLITS, annotation_file, ground_truth_file, read_people
from .problem import Entry, FolderCheck, SplitSummary, warning


def check_folder(folder: Path, dataset: Dataset, result: FolderCheck) -> list[Entry]:
    """Check the annotations of all splits, and gt_valid.mat; what is found goes to `result`."""
    entries: list[Entry] = []
    result.report_missing([annotation_file(folder, split) for split in ("train", "valid")])
    for split in SPLITS:
        path = annotation_file(folder, split)
        if path.is_file():
            entries += _check_split(folder, split, path, result)
            if split == "valid":
                _check_head_sizes(folder, path, result)
    return entries


def _check_split(folder: Path, split: str, path: Path, result: FolderCheck) -> list[Entry]:
    """Check one annotation file; the entries returned are for the comparison with the image files."""
    entries = []
    found = read_people(
        path, folder / "images", lambda what: result.add_error(path, what), needs_joints=split != "test"
    )
    try:
        for name, person in found:
            if person is None:
                result.problems.append(warning(path, f"{name}: neither centre nor scale is known; it is left out"))
            else:
                entries.append(Entry(person.image_path, path, name, points=person.labelled))
    except InputError as fault:
        result.add_error(path, str(fault))
        return []
    if not entries:
        result.add_error(path, "no people in it")
    keypoints = sum(len(entry.points) for entry in entries if entry.points is not None)
    images = len({entry.image_path for entry in entries})
    result.splits.append(SplitSummary("val" if split == "valid" else split, path, images, len(entries), keypoints))
    return entries


def _check_head_sizes(folder: Path, annotations: Path, result: FolderCheck) -> None:
    """Check that gt_valid.mat is there and holds what PCKh needs of all people of valid.json."""
    path = ground_truth_file(folder)
    if not path.is_file():
        result.problems.append(warning(path, "missing; without its head sizes there is no PCKh"))
        return
    try:
        read_head_sizes(path, annotations)
    except InputError as fault:
        if str(fault).startswith(f"{path}: "):  # else it is the annotations', which has been reported
            result.add_error(path, str(fault))
