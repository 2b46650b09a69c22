"""Rendered people in COCO's and MPII's own layouts, with the oddities of the real sets.

coco: enlarged, so that people are of COCO's medium and large sizes; in the first image are people whom nobody may train
on or score (a crowd, a person without a labelled keypoint); the second image is grey, the third has a camera's
orientation tag, the last shows nobody; one detection is too doubtful to be used. mpii: the first image is grey, the
second has the tag.
"""

import json
import struct
from pathlib import Path

import cv2
import numpy as np

from posebench.pose.synth import write_synthetic

COCO_PEOPLE, MPII_PEOPLE = 12, 6
ENLARGED = 3
DETECTIONS = "COCO_val2017_detections_synthetic.json"
# One Exif entry: orientation (0x0112) = 6, "turn by 90 degrees".
TURNED = b"Exif\0\0" + b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """The JPEG with one more segment directly after its start."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def write_photographs(folder: Path) -> Path:
    """`folder`/coco and `folder`/mpii, each with a split to evaluate on alone."""
    write_synthetic(folder / "coco", train=0, val=COCO_PEOPLE, seed=11, jobs=1)
    write_synthetic(folder / "mpii", train=0, val=MPII_PEOPLE, seed=12, layout="mpii", jobs=1)
    grey, turned = _images(folder / "mpii" / "images")[:2]
    _make_grey(grey)
    _turn(turned)
    _add_oddities(folder / "coco")
    return folder


def _images(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jpg"))


def _make_grey(path: Path) -> None:
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))


def _turn(path: Path) -> None:
    path.write_bytes(with_segment(path.read_bytes(), 0xE1, TURNED))


def _enlarge(path: Path) -> None:
    image = cv2.resize(cv2.imread(str(path)), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(len(path.name)).normal(0, 4, image.shape)
    cv2.imwrite(str(path), np.clip(image + grain, 0, 255).astype(np.uint8), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))


def _enlarged(record: dict) -> dict:
    """An annotation, a detection or an image record of COCO at the new size."""
    larger = dict(record)
    for name, factor in (("width", ENLARGED), ("height", ENLARGED), ("area", ENLARGED**2)):
        if name in record:
            larger[name] = record[name] * factor
    if "bbox" in record:
        larger["bbox"] = [value * ENLARGED for value in record["bbox"]]
    if "keypoints" in record:
        keypoints = np.array(record["keypoints"], float).reshape(-1, 3)
        keypoints[:, :2] = np.where(keypoints[:, 2:] > 0, (keypoints[:, :2] + 0.5) * ENLARGED - 0.5, 0)
        larger["keypoints"] = keypoints.ravel().tolist()
    return larger


def _add_oddities(root: Path) -> None:
    pictures = _images(root / "images" / "val2017")
    for path in pictures:
        _enlarge(path)
    _make_grey(pictures[1])
    _turn(pictures[2])
    file = root / "person_detection_results" / DETECTIONS
    detections = list(map(_enlarged, json.loads(file.read_text())))
    file.write_text(json.dumps([*detections, detections[0] | {"score": 0.05}]))
    file = root / "annotations" / "person_keypoints_val2017.json"
    content = json.loads(file.read_text())
    content |= {name: list(map(_enlarged, content[name])) for name in ("images", "annotations")}
    first = content["images"][0]
    width, height = first["width"], first["height"]
    nobody = {"id": 9_000_001, "file_name": "000009000001.jpg", "width": 120, "height": 90}
    ground = np.random.default_rng(4).integers(60, 200, (9, 12, 3), dtype=np.uint8)
    cv2.imwrite(str(pictures[0].parent / nobody["file_name"]), cv2.resize(ground, (120, 90)))
    content["images"].append(nobody)
    unlabelled = {"image_id": first["id"], "category_id": 1, "num_keypoints": 0, "keypoints": [0] * 51}
    content["annotations"] += [
        unlabelled | {"id": 900_000_001, "iscrowd": 1, "bbox": [0, 0, width, height / 2], "area": width * height / 3,
                      "segmentation": {"size": [height, width], "counts": [0, width * height // 2]}},
        unlabelled | {"id": 900_000_002, "iscrowd": 0, "bbox": [5.5, 5.25, 20, 31.75], "area": 400.5},
    ]  # fmt: skip
    file.write_text(json.dumps(content))
