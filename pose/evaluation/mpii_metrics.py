"""PCKh, MPII's score: the share of joints found within a fraction of the head's size [Andriluka et al., CVPR 2014]."""

from __future__ import annotations

import numpy as np

from ..crops.person import DataSplit
from ..datasets.descriptor import Scored
from ..datasets.mpii import SKELETON as MPII
from ..people.head_sizes import HeadSizes, read_head_sizes
from ..people.mpii import ground_truth_file

THRESHOLD, STRICT_THRESHOLD = 0.5, 0.1
PUBLISHED_STRICT_THRESHOLD = 0.11  # what the HRNet family computes under the name "Mean@0.1"
NOT_IN_MEAN = ("pelvis", "thorax")
#: the joints of each reported number; left and right are averaged
GROUPS = {
    "head": ("head_top",),
    "shoulder": ("left_shoulder", "right_shoulder"),
    "elbow": ("left_elbow", "right_elbow"),
    "wrist": ("left_wrist", "right_wrist"),
    "hip": ("left_hip", "right_hip"),
    "knee": ("left_knee", "right_knee"),
    "ankle": ("left_ankle", "right_ankle"),
}


def evaluate(data: DataSplit, keypoints: np.ndarray, *, as_published: bool = False) -> Scored:
    """PCKh of poses (n, 16, 3) of the people of the split val; of others there are no head sizes, and a note says so.

    InputError where the head sizes are none, or of other people.
    """
    path = ground_truth_file(data.root)
    if data.split != "val":
        why = f"{path.name} belongs to the split val, not to {data.split}: PCKh not computed"
        return Scored({}, {}, keypoints, (why,))
    if not path.is_file():
        return Scored({}, {}, keypoints, (f"no {path.name} (head sizes) in {path.parent}: PCKh not computed",))
    heads = read_head_sizes(path, data.annotation_file)
    rows = [person.image_id for person in data.people]  # MPII: the entry's place in the file
    heads = HeadSizes(heads.joints[rows], heads.annotated[rows], heads.size[rows])
    metrics = pckh(keypoints, heads, as_published=as_published)
    notes = (f"pckh_01 is PCKh at a threshold of {metrics['pckh_01_threshold']:g} head sizes",)
    evidence = pckh_evidence(keypoints, heads, [person.image_path.name for person in data.people])
    return Scored(metrics, evidence, keypoints, notes)


def pckh(keypoints: np.ndarray, heads: HeadSizes, *, as_published: bool = False) -> dict[str, float]:
    """PCKh in percent of keypoints (n, 16, 2 or 3) in 0-based px against the n people of `heads`.

    `pckh`: mean over annotated joints but pelvis and thorax, within 0.5 head sizes; `pckh_head` to `pckh_ankle`: by
    joint; `pckh_01`: the mean within `pckh_01_threshold`, which is 0.1, or with `as_published` the 0.11 that the HRNet
    family's "Mean@0.1" really uses. NaN where no joint is annotated.
    """
    errors = normalized_errors(keypoints, heads)
    strict = PUBLISHED_STRICT_THRESHOLD if as_published else STRICT_THRESHOLD
    within = (errors <= THRESHOLD) & heads.annotated
    metrics = {"pckh": _percent(within, heads.annotated, in_mean())}
    metrics["pckh_01"] = _percent((errors <= strict) & heads.annotated, heads.annotated, in_mean())
    metrics["pckh_01_threshold"] = strict
    for group, names in GROUPS.items():
        sides = [_percent(within, heads.annotated, [MPII.keypoints.index(name)]) for name in names]
        metrics[f"pckh_{group}"] = sum(sides) / len(sides)
    return metrics


def normalized_errors(keypoints: np.ndarray, heads: HeadSizes) -> np.ndarray:
    """(n, 16) distances between keypoints (n, 16, 2 or 3) and annotation, in head sizes."""
    return np.linalg.norm(keypoints[..., :2] - heads.joints, axis=2) / heads.size[:, None]


def in_mean() -> list[int]:
    """The joints that the mean is taken over."""
    return [joint for joint, name in enumerate(MPII.keypoints) if name not in NOT_IN_MEAN]


def pckh_evidence(keypoints: np.ndarray, heads: HeadSizes, images: list[str]) -> dict[str, np.ndarray]:
    """What `bootstrap` resamples: per image (`images` names that of each of the n people) the joints of the mean that
    were found, and those that are annotated."""
    found = (normalized_errors(keypoints, heads) <= THRESHOLD) & heads.annotated
    names, place = np.unique(np.array(images, dtype=str), return_inverse=True)
    joints = in_mean()
    return {
        "images": names,
        "found": np.bincount(place, weights=found[:, joints].sum(axis=1), minlength=len(names)),
        "annotated": np.bincount(place, weights=heads.annotated[:, joints].sum(axis=1), minlength=len(names)),
    }


def _percent(found: np.ndarray, annotated: np.ndarray, joints: list[int]) -> float:
    counted = annotated[:, joints].sum()
    return 100 * float(found[:, joints].sum() / counted) if counted else float("nan")
