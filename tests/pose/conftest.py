"""A small data folder of each layout, written with OpenCV and json alone."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

DATA = Path(__file__).resolve().parents[1] / "data"


class Reference:
    """Numbers of the published implementations: reference("affine", "in_center")."""

    def __init__(self) -> None:
        self._content = np.load(DATA / "reference_data_layer.npz")

    def __call__(self, part: str, name: str) -> np.ndarray:
        return self._content[f"{part}__{name}"]


@pytest.fixture(scope="session")
def reference() -> Reference:
    return Reference()


def picture(seed: int, width: int = 160, height: int = 120) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 10, width // 10, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height))


def coco_content() -> dict:
    """Two images; three people, one of them without keypoints."""
    random = np.random.default_rng(1)
    annotations = []
    for identity, (image_id, labelled) in enumerate([(7, 17), (3, 10), (3, 0)], start=100):
        keypoints = np.zeros((17, 3), dtype=int)
        keypoints[:labelled, 0] = random.integers(40, 90, labelled)
        keypoints[:labelled, 1] = random.integers(20, 100, labelled)
        keypoints[:labelled, 2] = random.integers(1, 3, labelled)
        annotations.append(
            {
                "id": identity, "image_id": image_id, "category_id": 1, "bbox": [35.5, 15, 60, 90.25], "area": 2500.0,
                "iscrowd": 0, "num_keypoints": labelled, "keypoints": keypoints.ravel().tolist(),
            }
        )  # fmt: skip
    images = [
        {"id": identity, "file_name": f"picture{identity}.jpg", "width": 160, "height": 120} for identity in (3, 7)
    ]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }


def mpii_content() -> list:
    random = np.random.default_rng(2)
    return [
        {
            "image": f"picture{number}.jpg", "center": [80.0, 60.5], "scale": 0.5,
            "joints": random.integers(40, 90, (16, 2)).astype(float).tolist(),
            "joints_vis": [1] * 12 + [0] * 4,
        }
        for number in (3, 7)
    ]  # fmt: skip


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def coco_folder(tmp_path: Path) -> Path:
    """A sound COCO folder with both splits and a detection file."""
    root = tmp_path / "coco"
    for split in ("train", "val"):
        write_json(root / "annotations" / f"person_keypoints_{split}2017.json", coco_content())
        images = root / "images" / f"{split}2017"
        images.mkdir(parents=True)
        for number in (3, 7):
            cv2.imwrite(str(images / f"picture{number}.jpg"), picture(number))
    detections = [
        {"image_id": 7, "category_id": 1, "bbox": [30, 20, 60, 90], "score": 0.9},
        {"image_id": 3, "category_id": 1, "bbox": [30, 20, 60, 90], "score": 0.05},
    ]
    write_json(root / "person_detection_results" / "found.json", detections)
    return root


@pytest.fixture
def mpii_folder(tmp_path: Path) -> Path:
    """A sound MPII folder with both splits and gt_valid.mat."""
    from scipy.io import savemat

    root = tmp_path / "mpii"
    for split in ("train", "valid"):
        write_json(root / "annot" / f"{split}.json", mpii_content())
    (root / "images").mkdir()
    for number in (3, 7):
        cv2.imwrite(str(root / "images" / f"picture{number}.jpg"), picture(number))
    heads = np.array([[[40.0, 40.0], [30.0, 30.0]], [[60.0, 60.0], [50.0, 50.0]]])
    truth = {"jnt_missing": np.zeros((16, 2)), "pos_gt_src": np.zeros((16, 2, 2)), "headboxes_src": heads}
    savemat(root / "annot" / "gt_valid.mat", truth)
    return root
