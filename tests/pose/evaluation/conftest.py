"""Small folders of both layouts."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from known_answers import DATA


@pytest.fixture(scope="session")
def reference() -> dict[str, np.ndarray]:
    """Numbers of the published implementations, by name."""
    with np.load(DATA / "reference_evaluation.npz") as content:
        return dict(content)


@pytest.fixture
def coco_folder(tmp_path: Path) -> Path:
    """Three images of noise; five people of different sizes in two of them."""
    random = np.random.default_rng(5)
    root = tmp_path / "coco_data"
    (root / "annotations").mkdir(parents=True)
    (root / "images" / "val2017").mkdir(parents=True)
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "width": 320, "height": 240} for n in (4, 9, 2)]
    for image in images:
        noise = random.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        assert cv2.imwrite(str(root / "images" / "val2017" / image["file_name"]), cv2.resize(noise, (320, 240)))
    annotations = []
    for image_id, x, y, width, height in [(4, 10, 20, 60, 150), (4, 120, 30, 120, 200), (4, 250, 90, 50, 90),
                                          (9, 40, 10, 100, 220), (9, 180, 60, 90, 120)]:  # fmt: skip
        keypoints = np.full((17, 3), 2)
        keypoints[:, 0] = random.integers(x + 3, x + width - 3, 17)
        keypoints[:, 1] = random.integers(y + 3, y + height - 3, 17)
        keypoints[5] = 0
        annotations.append(
            {
                "id": len(annotations), "image_id": image_id, "category_id": 3, "bbox": [x, y, width, height],
                "area": 0.6 * width * height, "iscrowd": 0, "num_keypoints": 16,
                "keypoints": keypoints.ravel().tolist(),
            }
        )  # fmt: skip
    content = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "person"}]}
    (root / "annotations" / "person_keypoints_val2017.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def mpii_folder(tmp_path: Path) -> Path:
    """Forty people with head sizes, each in a black image and with all annotated joints inside the crop."""
    root = tmp_path / "mpii_data"
    (root / "annot").mkdir(parents=True)
    (root / "images").mkdir()
    entries = json.loads((DATA / "reference_mpii_valid.json").read_text())
    for entry in entries:
        joints = np.array(entry["joints"])[np.array(entry["joints_vis"]) > 0]
        entry["center"] = ((joints.min(axis=0) + joints.max(axis=0)) / 2).tolist()
        entry["scale"] = float(np.ptp(joints, axis=0).max()) / 200
    (root / "annot" / "valid.json").write_text(json.dumps(entries))
    shutil.copy(DATA / "reference_mpii_gt_valid.mat", root / "annot" / "gt_valid.mat")
    for entry in entries:
        assert cv2.imwrite(str(root / "images" / entry["image"]), np.zeros((40, 40, 3), np.uint8))
    return root
