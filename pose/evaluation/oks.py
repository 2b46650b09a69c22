"""Object keypoint similarity (OKS), the suppression of duplicate poses by it, and the score of a pose.

OKS as in COCO: exp(-d^2 / (2 area (2 sigma)^2)), averaged over keypoints, d in px, area in px^2.
"""

from __future__ import annotations

import numpy as np

SCORE_THRESHOLD = 0.2  # keypoints above it count in a pose's score


def oks_matrix(keypoints: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """(n, n) similarity of n poses to each other. keypoints: (n, J, 2 or more), x and y in px; areas: (n,) px^2, of two
    poses the mean is taken; sigmas: (J,)."""
    points = np.asarray(keypoints, dtype=np.float64)[..., :2]
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=3)
    variances = (2 * np.asarray(sigmas)) ** 2
    areas = np.asarray(areas, dtype=np.float64)
    area = (areas[:, None] + areas[None]) / 2 + np.spacing(1)
    return np.exp(-squared / variances / area[..., None] / 2).mean(axis=2)


def nms(similarity: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Indices of the poses kept, best first; each drops those of a lower score more similar to it than `threshold`."""
    order = np.argsort(scores, kind="stable")[::-1]  # of equal scores the last first, as the published code has it
    keep = []
    while len(order):
        best, order = order[0], order[1:]
        keep.append(best)
        order = order[similarity[best, order] <= threshold]
    return np.array(keep, dtype=np.int64)


def rescore(keypoint_scores: np.ndarray, box_scores: np.ndarray, threshold: float = SCORE_THRESHOLD) -> np.ndarray:
    """(n,) scores of poses: the box's (n,) times the mean of the keypoint scores (n, J) above `threshold`, or 0."""
    counted = keypoint_scores > threshold
    total = np.where(counted, keypoint_scores, 0).astype(np.float64).sum(axis=1)
    return np.asarray(box_scores, dtype=np.float64) * total / np.maximum(counted.sum(axis=1), 1)


def suppress_duplicates(
    image_ids: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    threshold: float,
) -> np.ndarray:
    """Indices of the poses that are left when `nms` has worked on each image's, images in order of appearance."""
    members: dict[int, list[int]] = {}
    for index, image_id in enumerate(np.asarray(image_ids).tolist()):
        members.setdefault(image_id, []).append(index)
    keep = [np.zeros(0, dtype=np.int64)]
    for indices in map(np.array, members.values()):
        if len(indices) > 1:
            similarity = oks_matrix(keypoints[indices], areas[indices], sigmas)
            indices = indices[nms(similarity, scores[indices], threshold)]
        keep.append(indices)
    return np.concatenate(keep)
