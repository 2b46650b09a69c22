"""The checks of COCO annotation and detection files (see check.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..datasets.descriptor import Dataset
from ..errors import InputError
from .coco import (
    DETECTION_FOLDER,
    DETECTION_THRESHOLD,
    CocoFile,
    CocoImage,
    annotation_file,
    image_folder,
    read_annotations,
    read_coco,
    read_detections,
    usable_person,
)
from .problem import Entry, FolderCheck, Problem, SplitSummary, count_outside, error, warning


def check_folder(folder: Path, dataset: Dataset, result: FolderCheck) -> list[Entry]:
    """Check the annotations of all splits, and the detection files; what is found goes to `result`."""
    entries: list[Entry] = []
    files: list[CocoFile] = []
    paths: dict[str, Path] = {}
    for split in dataset.splits:
        try:
            paths[split] = annotation_file(folder, split)
        except InputError as fault:  # two files, and nobody knows which is meant
            file, _, what = str(fault).partition(": ")
            result.add_error(Path(file), what)
    result.report_missing([path for split, path in paths.items() if split in ("train", "val")])
    for split, path in paths.items():
        if not path.is_file():
            continue
        try:
            coco = read_coco(path, image_folder(folder, split), lambda what, at=path: result.add_error(at, what))
        except InputError as fault:
            result.add_error(path, str(fault))
            continue
        files.append(coco)
        result.splits.append(_check_annotations(coco, split, dataset, result.problems))
        entries += [Entry(image.path, path, "", (image.width, image.height)) for image in coco.images.values()]
    for path in sorted((folder / DETECTION_FOLDER).glob("*.json")):
        if files and "test" not in path.name:  # the test images have no annotations to check against
            _check_detections(path, files, result)
    return entries


def _check_annotations(file: CocoFile, split: str, dataset: Dataset, problems: list[Problem]) -> SplitSummary:
    people = keypoints = 0
    for name, annotation in read_annotations(file, dataset, lambda what: problems.append(error(file.path, what))):
        if annotation.crowd:
            continue
        image = file.images[annotation.image_id]
        labelled = annotation.visibility > 0
        doubt = box_doubt(annotation.box, image)
        if doubt:
            problems.append(warning(file.path, f"{name}: {doubt}"))
        if annotation.num_keypoints != labelled.sum():
            what = f"'num_keypoints' is {annotation.num_keypoints}, but {labelled.sum()} keypoints are labelled"
            problems.append(warning(file.path, f"{name}: {what}"))
        outside = count_outside(annotation.keypoints[labelled], (image.width, image.height))
        if outside:
            problems.append(warning(file.path, f"{name}: {outside} labelled keypoints lie outside the image"))
        if usable_person(annotation, image, 1.0, "dark") is not None:
            people += 1
            keypoints += int(labelled.sum())
    if not people:
        problems.append(error(file.path, "no people with keypoints in it"))
    return SplitSummary(split, file.path, len(file.images), people, keypoints)


def _check_detections(path: Path, files: list[CocoFile], result: FolderCheck) -> None:
    """Check a detection file against the images of all splits that there are."""
    images = {identity: image for file in files for identity, image in file.images.items()}
    file = CocoFile(path, images, [], files[-1].person_category)
    people = 0
    try:
        for position, image_id, box, score in read_detections(path, file, lambda what: result.add_error(path, what)):
            people += score >= DETECTION_THRESHOLD
            doubt = box_doubt(box, images[image_id])
            if doubt:
                result.problems.append(warning(path, f"detection {position}: {doubt}"))
    except InputError as fault:
        result.add_error(path, str(fault))
        return
    if not people:
        result.add_error(path, f"no people of score >= {DETECTION_THRESHOLD} in it")


def box_doubt(box: np.ndarray, image: CocoImage) -> str | None:
    """What is odd about a box (x, y, width, height): no extent, or more than a pixel outside the image."""
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return f"the box has no extent (width {width:g}, height {height:g})"
    if x < -1 or y < -1 or x + width > image.width + 1 or y + height > image.height + 1:
        return f"the box ({x:g}, {y:g}, {width:g}, {height:g}) reaches outside the {image.width} x {image.height} image"
    return None
