"""The COCO layout: images by split, keypoint annotations, and a made-up detector's boxes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..datasets.coco import SKELETON as COCO
from ..files import write_atomic
from .plan import SPLITS, first_id
from .render import RenderedImage

DETECTIONS = "COCO_val2017_detections_synthetic.json"


def image_file(split: str, index: int) -> str:
    return f"images/{split}2017/{first_id(split) + index:012d}.jpg"


def write_annotations(folder: Path, split: str, images: list[RenderedImage], seed: int, info: dict) -> None:
    """annotations/person_keypoints_<split>2017.json; for val also person_detection_results/."""
    records, annotations = [], []
    for index, image in enumerate(images):
        image_id = first_id(split) + index
        records.append(
            {"id": image_id, "file_name": Path(image.file).name, "width": image.width, "height": image.height}
        )
        for person in image.people:
            flags = person.keypoints[:, 2].astype(int).tolist()
            places = person.keypoints[:, :2].tolist()
            annotations.append({
                "id": first_id(split) + len(annotations),
                "image_id": image_id,
                "category_id": 1,
                "iscrowd": 0,
                "area": person.area,
                "bbox": list(person.box),
                "num_keypoints": sum(flag > 0 for flag in flags),
                "keypoints": [value for (x, y), flag in zip(places, flags, strict=True) for value in (x, y, flag)],
            })  # fmt: skip
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(COCO.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in COCO.limbs],
    }
    content = {
        "info": info, "licenses": [], "images": records, "annotations": annotations, "categories": [category]
    }  # fmt: skip
    write_atomic(folder / f"annotations/person_keypoints_{split}2017.json", json.dumps(content, separators=(",", ":")))
    if split == "val":
        detections = jittered_detections(images, seed)
        write_atomic(folder / "person_detection_results" / DETECTIONS, json.dumps(detections, separators=(",", ":")))


def jittered_detections(images: list[RenderedImage], seed: int) -> list[dict]:
    """What a fair detector might say of the validation images: inexact boxes, some missed, some doubled, some false."""
    rng = np.random.default_rng([seed, SPLITS.index("val"), 0, 1])
    detections = []
    for index, image in enumerate(images):
        size = np.array((image.width, image.height))

        def add(corners: np.ndarray, score: float, index: int = index, size: np.ndarray = size) -> None:
            low, high = np.clip(corners[:2], 0, size - 1), np.clip(corners[2:], 1, size)
            box = [*low.round(2).tolist(), *np.maximum(high - low, 1).round(2).tolist()]
            image_id = first_id("val") + index
            detections.append({"image_id": image_id, "category_id": 1, "bbox": box, "score": round(score, 4)})

        for person in image.people:
            x, y, w, h = person.box
            corners, sides = np.array((x, y, x + w, y + h), float), np.array((w, h, w, h))
            if rng.random() < 0.96:
                add(corners + rng.normal(0, 0.04, 4) * sides, 0.6 + 0.4 * rng.random())
            if rng.random() < 0.15:
                add(corners + rng.normal(0, 0.12, 4) * sides, 0.1 + 0.5 * rng.random())
        if rng.random() < 0.2:
            corner, side = rng.random(2) * size * 0.7, 15 + 50 * rng.random(2)
            add(np.concatenate([corner, corner + side]), 0.02 + 0.4 * rng.random())
    return detections
