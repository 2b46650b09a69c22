"""CrowdPose: 14 points, AP also by how crowded an image is [Li et al., CVPR 2019].

Laid out as COCO, annotation files annotations/ or json/ *crowdpose_{train,val,trainval,test}.json, all pictures in
images/; every image has a crowdIndex from 0 (nobody near) to 1.
"""

from __future__ import annotations

from ..keypoints import Skeleton
from .descriptor import Dataset

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
    read="posebench.pose.people.coco:read_split",
    check="posebench.pose.people.check_coco:check_folder",
    evaluate="posebench.pose.evaluation.crowdpose_metrics:evaluate",
    marks=("annotations/*crowdpose_*.json", "json/*crowdpose_*.json"),
    example="annotations/crowdpose_val.json",
    splits=("train", "val", "trainval", "test"),
)  # fmt: skip
