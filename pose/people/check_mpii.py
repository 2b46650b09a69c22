"""The checks of MPII annotation files and of gt_valid.mat (see check.py)."""

from __future__ import annotations

from pathlib import Path

from ..datasets.descriptor import Dataset
from ..datasets.mpii import SKELETON as MPII
from ..errors import InputError
from .matlab import read_matlab
from .mpii import SPLITS, annotation_file, ground_truth_file, read_entries, read_people
from .problem import Entry, FolderCheck, Problem, SplitSummary, error, warning

# what PCKh reads from gt_valid.mat, with the shape for n people
_GROUND_TRUTH = {
    "jnt_missing": (MPII.num_keypoints,),
    "pos_gt_src": (MPII.num_keypoints, 2),
    "headboxes_src": (2, 2),
}


def check_folder(folder: Path, dataset: Dataset, result: FolderCheck) -> list[Entry]:
    """Check the annotations of all splits, and gt_valid.mat; what is found goes to `result`."""
    entries: list[Entry] = []
    result.report_missing([annotation_file(folder, split) for split in ("train", "valid")])
    for split in SPLITS:
        path = annotation_file(folder, split)
        if path.is_file():
            entries += _check_split(folder, split, path, result)
            if split == "valid":
                check_ground_truth(folder, path, result.problems)
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


def check_ground_truth(folder: Path, valid_file: Path, problems: list[Problem]) -> None:
    """Check that gt_valid.mat is there and speaks of as many people as valid.json."""
    path = ground_truth_file(folder)
    if not path.is_file():
        problems.append(warning(path, "missing; without its head sizes there is no PCKh"))
        return
    try:
        content = read_matlab(path, tuple(_GROUND_TRUTH))
    except InputError as fault:
        problems.append(error(path, str(fault).removeprefix(f"{path}: ")))
        return
    try:
        people = len(read_entries(valid_file))
    except InputError:
        return  # already reported
    for key, shape in _GROUND_TRUTH.items():
        found = getattr(content.get(key), "shape", None)
        if found != (*shape, people):
            wanted = " x ".join(map(str, (*shape, people)))
            has = "missing" if found is None else " x ".join(map(str, found))
            problems.append(error(path, f"{key!r} must be {wanted} for the {people} people of valid.json, is {has}"))
