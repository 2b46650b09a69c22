"""Which keypoint tokens see each other in the joint blocks (Improved TokenPose with Sparsity, arXiv 2311.09653)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .errors import InputError
from .keypoints import Skeleton


def skeleton_mask(skeleton: Skeleton) -> torch.Tensor:
    """A joint sees itself, its adjacent joints (limbs) and its mirror joint (flip pairs): (J, J), symmetric."""
    mask = torch.eye(skeleton.num_keypoints, dtype=torch.bool)
    for a, b in (*skeleton.limbs, *skeleton.flip_pairs):
        mask[a, b] = mask[b, a] = True
    return mask


def full_mask(skeleton: Skeleton) -> torch.Tensor:
    """Every joint sees every joint: (J, J)."""
    return torch.ones(skeleton.num_keypoints, skeleton.num_keypoints, dtype=torch.bool)


def published_mask(skeleton: Skeleton) -> None:
    """The matrix that the paper's checkpoints hold: there is none until such weights are loaded."""


JOINT_MASKS: dict[str, Callable[[Skeleton], torch.Tensor | None]] = {
    "skeleton": skeleton_mask,
    "full": full_mask,
    "published": published_mask,
}


def joint_mask(name: str, skeleton: Skeleton) -> torch.Tensor | None:
    """(J, J) booleans, row sees column, None for the one that comes with weights; InputError for an unknown name."""
    if name not in JOINT_MASKS:
        raise InputError(f"joint_mask {name!r}: give one of {', '.join(JOINT_MASKS)}")
    return JOINT_MASKS[name](skeleton)
