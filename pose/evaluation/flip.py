"""The flip test: what a model says of the mirrored image, turned back, so that both answers can be averaged."""

from __future__ import annotations

import torch

from ..keypoints import Skeleton


def flip_back(heatmaps: torch.Tensor, skeleton: Skeleton, *, shift: bool = False) -> torch.Tensor:
    """Heatmaps (B, J, h, w) of mirrored images as they would be for the images themselves; a new tensor.

    Mirrors each map and swaps left and right keypoints. `shift` moves the result one column to the right and keeps
    column 0, as HRNet does (TEST.SHIFT_HEATMAP), whose crops are off by that much under a mirror; the unbiased
    ("dark") crops are not.
    """
    turned = heatmaps[:, skeleton.mirror_order].flip(-1)
    return torch.cat([turned[..., :1], turned[..., :-1]], dim=-1) if shift else turned


def average_flipped(
    heatmaps: torch.Tensor, flipped: torch.Tensor, skeleton: Skeleton, *, shift: bool = False
) -> torch.Tensor:
    """The mean of the heatmaps of images and those of their mirror images, both (B, J, h, w)."""
    return (heatmaps + flip_back(flipped, skeleton, shift=shift)) * 0.5
