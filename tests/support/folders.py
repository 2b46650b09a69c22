"""Small data folders in COCO's style with keypoints of their own: hands of 21 points, and CrowdPose's 14."""

import json
from pathlib import Path

import cv2
import numpy as np

from posebench.pose.datasets.crowdpose import CROWDPOSE

FINGERS = ("thumb", "index", "middle", "ring", "little")
HAND = ("wrist", *(f"{finger}_{joint}" for finger in FINGERS for joint in ("base", "middle", "end", "tip")))
HAND_LIMBS = [(0 if j == 0 else 4 * f + j, 4 * f + j + 1) for f in range(5) for j in range(4)]


def hand(random: np.random.Generator, size: int) -> np.ndarray:
    """(21, 2) px: a wrist below, five straight fingers fanned out above."""
    wrist = np.array([size / 2, size * 0.8]) + random.normal(0, size / 40, 2)
    points = [wrist]
    for angle in np.radians(np.linspace(-60, 50, 5) + random.normal(0, 5)):
        ray = np.array([np.sin(angle), -np.cos(angle)]) * size * 0.48
        points += [wrist + ray * share for share in (0.4, 0.6, 0.8, 1.0)]
    return np.array(points)


def draw(points: np.ndarray, limbs: list, size: int) -> np.ndarray:
    picture = np.full((size, size, 3), 60, np.uint8)
    for a, b in limbs:
        ends = [tuple(int(v) for v in points[end]) for end in (a, b)]
        cv2.line(picture, *ends, (150, 190, 230), 5)
    for number, point in enumerate(points):
        cv2.circle(picture, tuple(int(v) for v in point), 2, (0, 10 * number, 255 - 10 * number), -1)
    return picture


def box_of(points: np.ndarray) -> list[float]:
    low, high = points.min(axis=0) - 4, points.max(axis=0) + 4
    return [*low.tolist(), *(high - low).tolist()]


def write(folder: Path, name: str, images: list, annotations: list, category: dict) -> None:
    path = folder / "annotations" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))


def write_hands(folder: Path, *, train: int = 12, val: int = 6, size: int = 96) -> Path:
    """A folder of hands, one in a picture: annotations/hand_{train,val}.json, images/{train,val}/."""
    category = {"id": 1, "name": "hand", "keypoints": list(HAND), "skeleton": [[a + 1, b + 1] for a, b in HAND_LIMBS]}
    for seed, (split, count) in enumerate((("train", train), ("val", val))):
        random, images, annotations = np.random.default_rng(seed), [], []
        (folder / "images" / split).mkdir(parents=True)
        for number in range(count):
            points = hand(random, size)
            cv2.imwrite(str(folder / "images" / split / f"{number}.jpg"), draw(points, HAND_LIMBS, size))
            images.append({"id": number, "file_name": f"{number}.jpg", "width": size, "height": size})
            triples = np.column_stack([points.round(2), np.full(21, 2)]).ravel().tolist()
            annotations.append(
                {"id": number, "image_id": number, "category_id": 1, "bbox": box_of(points), "keypoints": triples}
            )
        write(folder, f"hand_{split}.json", images, annotations, category)
    return folder


def write_crowdpose(folder: Path, *, images: int = 9, people: int = 2, size: int = 96) -> Path:
    """A folder like CrowdPose's, crowdIndex from 0 to 1 in even steps; people overlap."""
    skeleton = CROWDPOSE.skeleton
    (folder / "images").mkdir(parents=True)
    for seed, split in enumerate(("train", "val")):
        random, records, annotations = np.random.default_rng(seed), [], []
        for number in range(images):
            identity = 100 * seed + number
            picture = np.full((size, size, 3), 90, np.uint8)
            for _ in range(people):
                points = random.uniform(10, size - 10, (14, 2)).round(2)
                picture = np.maximum(picture, draw(points, list(skeleton.limbs), size))
                triples = np.column_stack([points, random.integers(1, 3, 14)]).ravel().tolist()
                annotations.append(
                    {
                        "id": len(annotations) + 1, "image_id": identity, "category_id": 1, "iscrowd": 0,
                        "num_keypoints": 14, "bbox": box_of(points), "keypoints": triples,
                    }
                )  # fmt: skip
            cv2.imwrite(str(folder / "images" / f"{identity}.jpg"), picture)
            records.append(
                {"id": identity, "file_name": f"{identity}.jpg", "width": size, "height": size,
                 "crowdIndex": number / (images - 1)}
            )  # fmt: skip
        category = {"id": 1, "name": "person", "keypoints": list(skeleton.keypoints)}
        write(folder, f"crowdpose_{split}.json", records, annotations, category)
    return folder
