"""CrowdPose: 14 points, AP also by how crowded an image is [Li et al., CVPR 2019].

Laid out as COCO, annotation files annotations/ or json/ *crowdpose_{train,val,trainval,test}.json, all pictures in
images/; every image has a crowdIndex from 0 (nobody near) to 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..keypoints import Skeleton
from .descriptor import Dataset, Scored

if TYPE_CHECKING:
    import numpy as np

    from ..data.person import DataSplit

#: from which crowdIndex on, and below which, an image is of each kind; 1 itself is hard
CROWDING = {"easy": (0.0, 0.1), "medium": (0.1, 0.8), "hard": (0.8, 1.1)}


def evaluate(data: DataSplit, keypoints: np.ndarray, *, as_published: bool = False) -> Scored:
    """COCO's AP with the sigmas of CrowdPose, and `ap_easy`, `ap_medium`, `ap_hard` over the images of each kind.

    InputError for an image without a crowdIndex from 0 to 1.
    """
    import numpy as np

    from ..data.coco import image_numbers
    from ..evaluation.bootstrap import scores
    from ..evaluation.coco_metrics import evaluate as evaluate_coco

    found = evaluate_coco(data, keypoints, as_published=as_published)
    numbers = image_numbers(data.annotation_file, "crowdIndex", 0.0, 1.0)
    crowding = np.array([numbers[int(image)] for image in found.evidence["images"]])
    metrics: dict[str, Any] = {name: value for name, value in found.metrics.items() if not name.endswith(("_m", "_l"))}
    for kind, (least, below) in CROWDING.items():
        taken = ((crowding >= least) & (crowding < below)).astype(np.int64)
        metrics[f"ap_{kind}"] = float(scores(found.evidence, taken[None])[0])
    return Scored(metrics, found.evidence, found.predictions, found.notes)


CROWDPOSE = Dataset(
    name="crowdpose",
    title="CrowdPose",
    skeleton=Skeleton(
        keypoints=(
            "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
            "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "head", "neck",
        ),
        flip_pairs=((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)),
        limbs=(
            (12, 13), (13, 0), (13, 1), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (0, 6), (1, 7), (6, 7),
            (6, 8), (7, 9), (8, 10), (9, 11),
        ),
        upper_body=(0, 1, 2, 3, 4, 5, 12, 13),
        oks_sigmas=(
            0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089, 0.079, 0.079,
        ),
    ),
    read="posebench.pose.data.coco:read_split",
    check="posebench.pose.data.check_coco:check_folder",
    evaluate=evaluate,
    marks=("annotations/*crowdpose_*.json", "json/*crowdpose_*.json"),
    example="annotations/crowdpose_val.json",
    splits=("train", "val", "trainval", "test"),
)  # fmt: skip
