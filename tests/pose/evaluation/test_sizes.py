"""AP by size: pycocotools' own numbers for its sizes, and thirds where there are none of them."""

import numpy as np
import pytest

from posebench.pose.datasets.coco import COCO
from posebench.pose.evaluation.bootstrap import score
from posebench.pose.evaluation.coco_metrics import coco_statistics, evidence_by_area, make_results
from posebench.pose.evaluation.sizes import COCO_SIZES, size_groups

SIGMAS = COCO.skeleton.oks_sigmas


def test_cocos_sizes_give_pycocotools_medium_and_large():
    rng = np.random.default_rng(4)
    people, truth = 60, {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}]}
    areas = rng.uniform(20, 200, people) ** 2
    points = rng.uniform(0, 400, (people, 17, 2))
    for number, (area, pose) in enumerate(zip(areas, points, strict=True), 1):
        low, high = pose.min(axis=0), pose.max(axis=0)
        truth["images"].append({"id": number, "width": 500, "height": 500})
        truth["annotations"].append({
            "id": number, "image_id": number, "category_id": 1, "area": area, "iscrowd": 0, "num_keypoints": 17,
            "bbox": [*low.tolist(), *(high - low).tolist()],
            "keypoints": np.concatenate([pose, np.full((17, 1), 2)], axis=1).ravel().tolist(),
        })  # fmt: skip
    off = rng.normal(0, 6, points.shape) * rng.uniform(0, 1.5, (people, 1, 1))
    poses = np.concatenate([points + off, np.ones((people, 17, 1))], axis=2)
    results = make_results(range(1, people + 1), poses, rng.uniform(0.1, 1, people))
    expected, _ = coco_statistics(truth, results, SIGMAS)
    medium, large = evidence_by_area(truth, results, SIGMAS, list(COCO_SIZES.values()))
    assert 0.1 < expected["ap_m"] < expected["ap_l"] < 0.95
    assert score(medium) == pytest.approx(expected["ap_m"], abs=1e-12)
    assert score(large) == pytest.approx(expected["ap_l"], abs=1e-12)


def test_a_data_set_without_cocos_sizes_has_thirds_of_its_own():
    groups = size_groups([float(side**2) for side in (*range(40, 60), *range(120, 140))])
    assert [(group.name, group.people) for group in groups] == [("medium", 20), ("large", 20)]
    groups = size_groups([float(side**2) for side in range(10, 40)])
    assert [(group.name, group.people) for group in groups] == [("small", 10), ("middle", 10), ("big", 10)]
    assert [group.name for group in size_groups([50.0**2] * 5)] == ["medium"]
