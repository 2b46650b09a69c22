"""How near each joint comes to the truth: OKS before its mean over a person's joints.

Keypoint similarity of one joint: exp(-d^2 / (2 area (2 sigma)^2)), d in px, area in px^2 of the annotated person, as in
COCO's OKS; joint by joint as in Ronchi and Perona, Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation
(ICCV 2017), section 2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

#: poses of an image that are looked at, best first: pycocotools' limit for keypoints
MOST_POSES = 20


def joint_evidence(
    ground_truth: dict[str, Any], results: list[dict[str, Any]], sigmas: Sequence[float]
) -> dict[str, np.ndarray]:
    """`joint_similarity` (I, J): sums over the people of each image, and `joint_people` (I, J): in how many of them a
    joint is annotated. Images in the order of their ids.

    Each person has the pose that COCO's matching gives, without a least similarity: poses by falling score each take
    the person most similar who is left. A person without a pose has similarity 0. Crowds are left out.
    """
    people, poses = defaultdict(list), defaultdict(list)
    for person in ground_truth["annotations"]:
        if not person["iscrowd"] and any(person["keypoints"][2::3]):
            people[person["image_id"]].append(person)
    for result in results:
        poses[result["image_id"]].append(result)
    images = sorted(image["id"] for image in ground_truth["images"])
    similarity = np.zeros((len(images), len(sigmas)), dtype=np.float32)
    labelled = np.zeros((len(images), len(sigmas)), dtype=np.uint16)
    for place, image in enumerate(images):
        if not people[image]:
            continue
        truth = _keypoints(people[image])
        there = truth[..., 2] > 0
        labelled[place] = there.sum(axis=0)
        ordered = sorted(poses[image], key=lambda pose: -pose["score"])[:MOST_POSES]
        if not ordered:
            continue
        areas = np.array([person["area"] for person in people[image]], dtype=np.float64)
        found = joint_similarities(_keypoints(ordered), truth, areas, np.asarray(sigmas)) * there
        free = np.ones(len(truth), dtype=bool)
        for own, whole in zip(found, found.sum(axis=2) / there.sum(axis=1), strict=True):
            taken = int(np.argmax(np.where(free, whole, -1)))
            similarity[place] += own[taken]
            free[taken] = False
            if not free.any():
                break
    return {"joint_similarity": similarity, "joint_people": labelled}


def joint_similarities(poses: np.ndarray, truth: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """(D, G, J) similarity of each joint of D poses to those of G people; poses (D, J, 2 or more) and truth (G, J, 2 or
    more): x and y in px; areas: (G,) px^2; sigmas: (J,)."""
    squared = ((poses[:, None, :, :2] - truth[None, :, :, :2]) ** 2).sum(axis=3)
    return np.exp(-squared / (2 * (areas[:, None] + np.spacing(1)) * (2 * sigmas) ** 2))


def _keypoints(entries: Sequence[dict[str, Any]]) -> np.ndarray:
    return np.array([entry["keypoints"] for entry in entries], dtype=np.float64).reshape(len(entries), -1, 3)
