"""The checks of COCO annotation and detection files (see check.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .coco import (
    DETECTION_THRESHOLD,
    CocoFile,
    CocoImage,
    annotation_file,
    entry_name,
    image_folder,
    is_person,
    parse_annotation,
    parse_detection,
    parse_image,
    person_category,
    usable_person,
)
from .fields import FieldError, get_list, read_json, shown
from .problem import Problem, SplitSummary, count_outside, error, warning


def check_coco_split(folder: Path, split: str, problems: list[Problem]) -> tuple[CocoFile | None, SplitSummary | None]:
    """Check one annotation file; problems go to `problems`. (None, None) if the file cannot be used at all."""
    path = annotation_file(folder, split)
    try:
        content = read_json(path)
        records, annotations = get_list(content, "images"), get_list(content, "annotations")
        category = person_category(get_list(content, "categories"))
    except (InputError, FieldError) as fault:
        problems.append(error(path, str(fault).removeprefix(f"{path}: ")))
        return None, None
    images = _check_image_list(path, records, image_folder(folder, split), problems)
    file = CocoFile(path, images, annotations, category)
    return file, _check_annotations(file, split, problems)


def _check_image_list(path: Path, records: list[Any], images_at: Path, problems: list[Problem]) -> dict[int, CocoImage]:
    images: dict[int, CocoImage] = {}
    for position, record in enumerate(records):
        try:
            image = parse_image(record, images_at)
            if image.id in images:
                raise FieldError("another image has the same id")
        except FieldError as fault:
            problems.append(error(path, f"{entry_name('image', position, record)}: {fault}"))
            continue
        images[image.id] = image
    return images


def _check_annotations(file: CocoFile, split: str, problems: list[Problem]) -> SplitSummary:
    seen: set[int] = set()
    people = keypoints = 0
    for position, record in enumerate(file.annotations):
        name = entry_name("annotation", position, record)
        try:
            if not is_person(record, file):
                continue
            annotation = parse_annotation(record)
            if annotation.id in seen:
                raise FieldError("another annotation has the same id")
        except FieldError as fault:
            problems.append(error(file.path, f"{name}: {fault}"))
            continue
        seen.add(annotation.id)
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


def check_coco_detections(path: Path, files: list[CocoFile], problems: list[Problem]) -> None:
    """Check a detection file against the images of all splits that there are."""
    try:
        records = read_json(path)
    except InputError as fault:
        problems.append(error(path, str(fault).removeprefix(f"{path}: ")))
        return
    if type(records) is not list:
        problems.append(error(path, f"must be a list of detections, found {shown(records)}"))
        return
    images = {identity: image for file in files for identity, image in file.images.items()}
    file = CocoFile(path, images, [], files[-1].person_category)
    people = 0
    for position, record in enumerate(records):
        try:
            detection = parse_detection(record, file)
        except FieldError as fault:
            problems.append(error(path, f"detection {position}: {fault}"))
            continue
        if detection is None:
            continue
        image_id, box, score = detection
        people += score >= DETECTION_THRESHOLD
        doubt = box_doubt(box, images[image_id])
        if doubt:
            problems.append(warning(path, f"detection {position}: {doubt}"))
    if not people:
        problems.append(error(path, f"no people of score >= {DETECTION_THRESHOLD} in it"))


def box_doubt(box: np.ndarray, image: CocoImage) -> str | None:
    """What is odd about a box (x, y, width, height): no extent, or more than a pixel outside the image."""
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return f"the box has no extent (width {width:g}, height {height:g})"
    if x < -1 or y < -1 or x + width > image.width + 1 or y + height > image.height + 1:
        return f"the box ({x:g}, {y:g}, {width:g}, {height:g}) reaches outside the {image.width} x {image.height} image"
    return None
