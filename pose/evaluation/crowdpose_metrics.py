"""CrowdPose's score: COCO's AP with its own sigmas, and over images that are more or less crowded."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..crops.person import DataSplit
from ..datasets.descriptor import Scored
from ..people.coco import image_numbers
from .bootstrap import scores
from .coco_metrics import evaluate as evaluate_coco

#: from which crowdIndex on, and below which, an image is of each kind; 1 itself is hard
CROWDING = {"easy": (0.0, 0.1), "medium": (0.1, 0.8), "hard": (0.8, 1.1)}


def evaluate(data: DataSplit, keypoints: np.ndarray, *, as_published: bool = False) -> Scored:
    """COCO's AP with the sigmas of CrowdPose, and `ap_easy`, `ap_medium`, `ap_hard` over the images of each kind.

    InputError for an image without a crowdIndex from 0 to 1.
    """
    result = evaluate_coco(data, keypoints, as_published=as_published)
    numbers = image_numbers(data.annotation_file, "crowdIndex", 0.0, 1.0)
    crowding = np.array([numbers[int(image)] for image in result.evidence["images"]])
    metrics: dict[str, Any] = {name: value for name, value in result.metrics.items() if not name.endswith(("_m", "_l"))}
    for kind, (least, below) in CROWDING.items():
        taken = ((crowding >= least) & (crowding < below)).astype(np.int64)
        metrics[f"ap_{kind}"] = float(scores(result.evidence, taken[None])[0])
    return Scored(metrics, result.evidence, result.predictions, result.notes)
