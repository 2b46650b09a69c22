"""COCO keypoint annotations and person detections as lists of people.

Layout (below the folder): annotations/person_keypoints_{train,val}2017.json, images/{train,val}2017/<file_name>,
person_detection_results/*.json. Data sets laid out alike may call their files annotations/ (or json/) {split}.json or
<any>_{split}.json, and keep their images in images/{split}/ or images/.

There is one walk over a file's entries for all who need it; `on_fault` says what a broken entry comes to: the end for
who reads (`Stop`), one more problem for who checks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..crops.boxes import box_to_center_scale, clip_box
from ..crops.person import DataSplit, Person, known_split, present
from ..datasets.descriptor import Dataset
from ..errors import InputError
from ..keypoints import Skeleton
from .cache import cached_people
from .fields import (
    FieldError,
    OnFault,
    Stop,
    get_box,
    get_file_name,
    get_int,
    get_list,
    get_number,
    get_pixels,
    get_text,
    read_json,
    shown,
)

PLACES = ("annotations", "json")
DETECTION_FOLDER = "person_detection_results"
AREA_OF_BOX = 0.53  # a person's area by that of its box, where it is not annotated; as CrowdPose's evaluation has it
DETECTION_THRESHOLD = 0.1  # detector boxes of a lower score are left out, as in the family's evaluation


@dataclass(frozen=True)
class CocoImage:
    """One entry of `images`."""

    id: int
    path: Path
    width: int
    height: int


@dataclass(frozen=True)
class CocoAnnotation:
    """One person of `annotations`: `box` (4,) is x, y, width, height in px, `keypoints` (J, 2) px, `visibility` (J,)
    0, 1 (hidden) or 2."""

    id: int
    image_id: int
    box: np.ndarray
    area: float
    crowd: bool
    num_keypoints: int
    keypoints: np.ndarray
    visibility: np.ndarray


@dataclass(frozen=True)
class CocoFile:
    """A parsed annotation file: images by id in the file's order, and the raw annotations."""

    path: Path
    images: dict[int, CocoImage]
    annotations: list[Any]
    person_category: int


def annotation_file(folder: Path, split: str) -> Path:
    """Where the annotations of a split lie: the first name of those in the layout that is there, else COCO's own."""
    coco = folder / PLACES[0] / f"person_keypoints_{split}2017.json"
    if coco.is_file():
        return coco
    for place in PLACES:
        alike = [folder / place / f"{split}.json", *sorted((folder / place).glob(f"*_{split}.json"))]
        there = [path for path in alike if path.is_file()]
        if len(there) > 1:
            raise InputError(
                f"{folder / place}: two annotation files for the split {split} "
                f"({', '.join(path.name for path in there[:2])}); leave one there"
            )
        if there:
            return there[0]
    return coco


def image_folder(folder: Path, split: str) -> Path:
    """Where the images of a split lie."""
    images, annotations = folder / "images", annotation_file(folder, split).name
    if annotations == f"person_keypoints_{split}2017.json":
        return images / f"{split}2017"
    names = (split, f"{split}2017") if annotations.startswith("person_keypoints_") else (split,)
    return next((images / name for name in names if (images / name).is_dir()), images)


def detection_file(folder: Path, name: str) -> Path:
    """A detection file by path, or by its name inside the data folder. Raises InputError if there is none."""
    for candidate in (Path(name), folder / name, folder / DETECTION_FOLDER / name):
        if os.path.isfile(candidate):
            return candidate.absolute()
    raise InputError(f"{name}: no such detection file (give 'gt' for annotated boxes, or a JSON file of detections)")


def read_coco(path: Path, images_at: Path | None, on_fault: OnFault | None = None) -> CocoFile:
    """Read an annotation file's frame: its images, which lie in `images_at` (None: nobody reads them), and its person
    category.

    Raises InputError naming the file and what is wrong with the frame; a broken image goes to `on_fault`.
    """
    on_fault = on_fault or Stop(path)
    content = read_json(path)
    try:
        records, annotations = get_list(content, "images"), get_list(content, "annotations")
        category = person_category(get_list(content, "categories"))
    except FieldError as error:
        raise InputError(f"{path}: {error} (not a COCO keypoint file?)") from None
    images: dict[int, CocoImage] = {}
    for position, record in enumerate(records):
        try:
            image = parse_image(record, images_at)
            if image.id in images:
                raise FieldError("another image has the same id")
        except FieldError as error:
            on_fault(f"{entry_name('image', position, record)}: {error}")
            continue
        images[image.id] = image
    return CocoFile(path, images, annotations, category)


def read_annotations(
    file: CocoFile, dataset: Dataset, on_fault: OnFault | None = None, *, unique: bool = True
) -> Iterator[tuple[str, CocoAnnotation]]:
    """Every sound annotation of a person, and how messages call it; faults go to `on_fault`. unique: two of the same
    id are a fault."""
    on_fault = on_fault or Stop(file.path)
    seen: set[int] = set()
    for position, record in enumerate(file.annotations):
        try:
            if not is_person(record, file):
                continue
            annotation = parse_annotation(record, dataset.skeleton, complete=dataset.complete)
            if unique and annotation.id in seen:
                raise FieldError("another annotation has the same id")
        except FieldError as error:
            on_fault(f"{entry_name('annotation', position, record)}: {error}")
            continue
        seen.add(annotation.id)
        yield entry_name("annotation", position, record), annotation


def image_numbers(path: Path, key: str, least: float, most: float) -> dict[int, float]:
    """A number of every image, `record[key]`, by the image's id. InputError where it is not from `least` to `most`."""
    numbers = {}
    for position, record in enumerate(get_list(read_json(path), "images")):
        try:
            number = get_number(record, key)
            if not least <= number <= most:
                raise FieldError(f"{key!r} must be from {least:g} to {most:g}, found {number:g}")
        except FieldError as error:
            raise InputError(f"{path}: {entry_name('image', position, record)}: {error}") from None
        numbers[get_int(record, "id")] = number
    return numbers


def person_category(categories: list[Any]) -> int:
    """The id of the category "person", of the only one, or of the first that names keypoints."""
    ids = {get_text(category, "name"): get_int(category, "id") for category in categories if type(category) is dict}
    if "person" in ids:
        return ids["person"]
    if len(ids) == 1 and len(categories) == 1:
        return next(iter(ids.values()))
    with_keypoints = [category for category in categories if type(category) is dict and category.get("keypoints")]
    if with_keypoints:
        return get_int(with_keypoints[0], "id")
    raise FieldError("'categories' has no 'person'")


def entry_name(kind: str, position: int, record: Any) -> str:
    """How an entry is called in messages: by its place (from 0) and, where it has one, its id."""
    identity = f" (id {shown(record['id'])})" if type(record) is dict and "id" in record else ""
    return f"{kind} {position}{identity}"


def parse_image(record: Any, images_at: Path | None) -> CocoImage:
    """Check one entry of `images`; without a `file_name` the file is called by the id. Raises FieldError."""
    identity = get_int(record, "id")
    name = get_file_name(record, "file_name", images_at) if "file_name" in record else f"{identity:012d}.jpg"
    path = (images_at or Path()) / name
    return CocoImage(identity, path, get_int(record, "width", least=1), get_int(record, "height", least=1))


def is_person(record: Any, file: CocoFile) -> bool:
    """Whether an annotation or detection is of the person category. Raises FieldError if it does not say or points to
    an image that the file does not list."""
    image_id = get_int(record, "image_id")
    if image_id not in file.images:
        raise FieldError(f"'image_id' {image_id} is not among the file's images")
    return get_int(record, "category_id") == file.person_category


def parse_annotation(record: Any, skeleton: Skeleton, *, complete: bool) -> CocoAnnotation:
    """Check one person annotation. complete: area, iscrowd and num_keypoints must be there, as COCO's are. Raises
    FieldError."""
    triples = get_pixels(record, "keypoints", (3 * skeleton.num_keypoints,)).reshape(-1, 3)
    if not {0.0, 1.0, 2.0}.issuperset(triples[:, 2].tolist()):
        raise FieldError("'keypoints' must be triples x, y, v with v 0, 1 or 2")
    if not complete:
        box = get_box(record)
        inferred = {
            "area": float(AREA_OF_BOX * box[2] * box[3]),
            "iscrowd": 0,
            "num_keypoints": int(np.count_nonzero(triples[:, 2])),
        }
        record = inferred | record
    return CocoAnnotation(
        id=get_int(record, "id"),
        image_id=get_int(record, "image_id"),
        box=get_box(record),
        area=get_number(record, "area", least=0),
        crowd=get_int(record, "iscrowd") != 0,
        num_keypoints=get_int(record, "num_keypoints", least=0),
        keypoints=triples[:, :2].copy(),
        visibility=triples[:, 2].copy(),
    )


def read_split(
    folder: Path, split: str, dataset: Dataset, *, boxes: str, aspect_ratio: float, convention: str = "dark"
) -> DataSplit:
    """The people of a split: annotated ones (`boxes` "gt"), or a file of detections. See `folder.load_people`."""
    split = known_split({"valid": "val"}.get(split, split), dataset.splits)
    path, images_at = present(annotation_file(folder, split)), image_folder(folder, split)
    boxes = boxes if boxes == "gt" else str(detection_file(folder, boxes))

    def read() -> list[Person]:
        file = read_coco(path, images_at)
        if boxes == "gt":
            return annotated_people(file, dataset, aspect_ratio, convention)
        return detected_people(Path(boxes), file, aspect_ratio, convention)

    files = (path,) if boxes == "gt" else (path, Path(boxes))
    how = (boxes == "gt", dataset.description(), dataset.complete, aspect_ratio, convention)
    people = cached_people(files, how, images_at, read)
    if not people:
        what = "with keypoints" if boxes == "gt" else f"of score >= {DETECTION_THRESHOLD}"
        raise InputError(f"{path if boxes == 'gt' else boxes}: no people {what} in it")
    return DataSplit(dataset, folder, split, people, path, boxes)


def annotated_people(file: CocoFile, dataset: Dataset, aspect_ratio: float, convention: str = "dark") -> list[Person]:
    """The people to train on or to score, in the order of the file's images.

    Crowds, annotations without area or without a labelled keypoint, and boxes outside the image are left out; boxes
    are clipped to the image. Raises InputError naming the file, the annotation and what is wrong.
    """
    by_image: dict[int, list[Person]] = {}
    for _, annotation in read_annotations(file, dataset):
        person = usable_person(annotation, file.images[annotation.image_id], aspect_ratio, convention)
        if person is not None:
            by_image.setdefault(person.image_id, []).append(person)
    return [person for image_id in file.images for person in by_image.get(image_id, ())]


def usable_person(
    annotation: CocoAnnotation, image: CocoImage, aspect_ratio: float, convention: str = "dark"
) -> Person | None:
    """The annotation as a Person; None for what is neither trained on nor scored (see `annotated_people`)."""
    if annotation.crowd or annotation.area <= 0 or not annotation.visibility.any():
        return None
    box = clip_box(annotation.box, image.width, image.height, convention)
    if box is None:
        return None
    center, scale = box_to_center_scale(box, aspect_ratio, convention)
    return Person(
        image_path=image.path,
        image_id=image.id,
        person_id=annotation.id,
        center=center,
        scale=scale,
        keypoints=annotation.keypoints,
        visible=(annotation.visibility > 0).astype(np.float64),
        area=annotation.area,
    )


def read_detections(
    path: Path, file: CocoFile, on_fault: OnFault | None = None
) -> Iterator[tuple[int, int, np.ndarray, float]]:
    """Place in the file, image id, box (4,) px and score of every person in a detection file (a list of objects
    `image_id`, `category_id`, `bbox`, `score`). Raises InputError naming the file and what is wrong with it; a broken
    entry goes to `on_fault`."""
    on_fault = on_fault or Stop(path)
    records = read_json(path)
    if type(records) is not list:
        raise InputError(f"{path}: must be a list of detections, found {shown(records)}")
    for position, record in enumerate(records):
        try:
            detection = parse_detection(record, file)
        except FieldError as error:
            on_fault(f"detection {position}: {error}")
            continue
        if detection is not None:
            yield position, *detection


def parse_detection(record: Any, file: CocoFile) -> tuple[int, np.ndarray, float] | None:
    """Image id, box and score of one detection, None if it is no person. Raises FieldError."""
    if not is_person(record, file):
        return None
    box = get_pixels(record, "bbox", (4,))
    if box[2] <= 0 or box[3] <= 0:
        raise FieldError(f"'bbox' has no extent (width {box[2]:g}, height {box[3]:g})")
    return get_int(record, "image_id"), box, get_number(record, "score")


def detected_people(
    path: Path,
    file: CocoFile,
    aspect_ratio: float,
    convention: str = "dark",
    threshold: float = DETECTION_THRESHOLD,
) -> list[Person]:
    """The detector's people of score >= `threshold`, in the file's order, without keypoints."""
    people = []
    for _, image_id, box, score in read_detections(path, file):
        if score >= threshold:
            center, scale = box_to_center_scale(box, aspect_ratio, convention)
            people.append(
                Person(file.images[image_id].path, image_id, len(people), center, scale, None, None, box_score=score)
            )
    return people
