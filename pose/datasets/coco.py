"""COCO keypoints: 17 points, AP [Lin et al., ECCV 2014], and with them every folder laid out alike."""

from __future__ import annotations

from ..keypoints import Skeleton
from .descriptor import Dataset

SKELETON = Skeleton(
    keypoints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
        "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    limbs=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
        (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    upper_body=tuple(range(11)),
    oks_sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062,
        0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
    ),
)  # fmt: skip

COCO = Dataset(
    name="coco",
    title="COCO",
    skeleton=SKELETON,
    read="posebench.pose.people.coco:read_split",
    check="posebench.pose.people.check_coco:check_folder",
    evaluate="posebench.pose.evaluation.coco_metrics:evaluate",
    marks=("annotations",),
    example="annotations/person_keypoints_val2017.json",
    adapt="posebench.pose.people.own_keypoints:adapt",
    synth="posebench.pose.synth.write_coco",
    complete=True,
)
