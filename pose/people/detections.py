"""Person detections of single pictures: COCO's list of boxes, found by a picture's file name or id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .fields import FieldError, get, get_file_name, get_int, get_number, get_pixels, read_json, shown

PERSON = 1  # COCO's category


def picture_id(path: Path) -> int | str:
    """COCO's image id of a picture that is called by it (000000000139.jpg: 139); else its file name."""
    return int(path.stem) if path.stem.isascii() and path.stem.isdigit() else path.name


def detected_boxes(file: Path, pictures: Sequence[Path]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each picture the people's boxes (n, 4), x, y, width, height in px, and their scores (n,).

    file: a list of objects with `bbox`, and `image_id` (a picture's id, or its file name) or `file_name`; `score` (1
    where there is none) and `category_id` (a person where there is none) as in COCO's results.

    Raises InputError naming the file and the entry that is wrong, or where the file has no box for any picture.
    """
    records = read_json(file)
    if type(records) is not list:
        raise InputError(f"{file}: must be a list of detections (image_id, bbox, score), found {shown(records)}")
    found: dict[int | str, list[tuple[np.ndarray, float]]] = {}
    for position, record in enumerate(records):
        try:
            if "category_id" not in _record(record) or get_int(record, "category_id") == PERSON:
                found.setdefault(_picture_of(record), []).append(_box(record))
        except FieldError as error:
            raise InputError(f"{file}: detection {position}: {error}") from None
    boxes = []
    for path in pictures:
        here = [box for key in dict.fromkeys((picture_id(path), path.name, path.stem)) for box in found.get(key, ())]
        boxes.append((np.array([box for box, _ in here]).reshape(-1, 4), np.array([score for _, score in here])))
    if not any(len(of_picture) for of_picture, _ in boxes):
        some = ", ".join(shown(key) for key in list(found)[:3]) or "none"
        raise InputError(
            f"{file}: no person in any of the pictures given (they are looked for by file name or id; the file's "
            f"pictures: {some}{', ...' if len(found) > 3 else ''})"
        )
    return boxes


def _record(record: Any) -> dict[str, Any]:
    if type(record) is not dict:
        raise FieldError(f"must be an object, found {shown(record)}")
    return record


def _picture_of(record: dict[str, Any]) -> int | str:
    if "file_name" in record:
        return Path(get_file_name(record, "file_name")).name
    identity = get(record, "image_id")
    return Path(get_file_name(record, "image_id")).name if type(identity) is str else get_int(record, "image_id")


def _box(record: dict[str, Any]) -> tuple[np.ndarray, float]:
    box = get_pixels(record, "bbox", (4,))
    if box[2] <= 0 or box[3] <= 0:
        raise FieldError(f"'bbox' has no extent (width {box[2]:g}, height {box[3]:g})")
    return box, get_number(record, "score") if "score" in record else 1.0
