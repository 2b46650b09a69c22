"""The checks of MPII annotation files and of gt_valid.mat (see check.py)."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..keypoints import MPII
from .fields import FieldError
from .mpii import annotation_file, ground_truth_file, parse_entry, read_entries
from .problem import Entry, Problem, SplitSummary, error, warning

# what PCKh reads from gt_valid.mat, with the shape for n people
_GROUND_TRUTH = {
    "jnt_missing": (MPII.num_keypoints,),
    "pos_gt_src": (MPII.num_keypoints, 2),
    "headboxes_src": (2, 2),
}


def check_mpii_split(folder: Path, split: str, problems: list[Problem]) -> tuple[SplitSummary | None, list[Entry]]:
    """Check one annotation file; the entries returned are for the comparison with the image files."""
    path = annotation_file(folder, split)
    try:
        records = read_entries(path)
    except InputError as fault:
        problems.append(error(path, str(fault).removeprefix(f"{path}: ")))
        return None, []
    people = keypoints = 0
    entries = []
    for position, record in enumerate(records):
        try:
            person = parse_entry(record, position, folder / "images", needs_joints=split != "test")
        except FieldError as fault:
            problems.append(error(path, f"person {position}: {fault}"))
            continue
        if person is None:
            problems.append(warning(path, f"person {position}: neither centre nor scale is known; it is left out"))
            continue
        people += 1
        points = None if person.keypoints is None else person.keypoints[person.visible > 0]
        keypoints += 0 if points is None else len(points)
        entries.append(Entry(person.image_path, path, f"person {position}", points=points))
    if not people:
        problems.append(error(path, "no people in it"))
    images = len({entry.image_path for entry in entries})
    return SplitSummary("val" if split == "valid" else split, path, images, people, keypoints), entries


def check_ground_truth(folder: Path, valid_file: Path, problems: list[Problem]) -> None:
    """Check that gt_valid.mat is there and speaks of as many people as valid.json."""
    from scipy.io import loadmat

    path = ground_truth_file(folder)
    if not path.is_file():
        problems.append(warning(path, "missing; without its head sizes there is no PCKh"))
        return
    try:
        content = loadmat(str(path))
    except Exception as fault:  # scipy raises a different kind for each way in which the file can be broken
        problems.append(error(path, f"not a readable MATLAB file ({' '.join(str(fault).split())})"))
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
