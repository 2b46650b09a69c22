"""MPII Human Pose: 16 points, PCKh [Andriluka et al., CVPR 2014], in the HRNet family's JSON."""

from __future__ import annotations

from ..keypoints import Skeleton
from ..metrics import PCKH
from .augmentation import Augmentation
from .descriptor import SQUARE, Dataset

SKELETON = Skeleton(
    keypoints=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax",
        "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder",
        "left_shoulder", "left_elbow", "left_wrist",
    ),
    flip_pairs=((5, 0), (4, 1), (3, 2), (15, 10), (14, 11), (13, 12)),
    limbs=(
        (0, 1), (1, 2), (2, 6), (3, 6), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9),
        (10, 11), (11, 12), (12, 7), (13, 7), (13, 14), (14, 15),
    ),
    upper_body=(7, 8, 9, 10, 11, 12, 13, 14, 15),
)  # fmt: skip

MPII = Dataset(
    name="mpii",
    title="MPII",
    skeleton=SKELETON,
    read="posebench.pose.people.mpii:read_split",
    check="posebench.pose.people.check_mpii:check_folder",
    evaluate="posebench.pose.evaluation.mpii_metrics:evaluate",
    marks=("annot",),
    example="annot/valid.json",
    metric=PCKH,
    splits=("train", "val", "trainval", "test"),
    crop=SQUARE,
    augment=Augmentation(scale=0.25, rotation=30.0, half_body=0.0),
    synth="posebench.pose.synth.write_mpii",
)
