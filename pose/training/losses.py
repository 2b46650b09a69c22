"""What training minimises.

Heatmaps and targets are (B, J, h, w), weights (B, J, 1) with 0 for joints without a target. All give a scalar.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def mse(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Half the mean squared error of the weighted maps: mean over joints of 0.5 mean((w (o - t))^2).

    The loss of HRNet, TokenPose and TMPose. Its gradients shrink as the map grows, since most pixels are background.
    """
    return 0.5 * _weighted_square(output, target, weight).mean()


def sum_squares(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Weighted squared error summed over a map's pixels, mean over joints and batch.

    The gradient of a pixel does not depend on the map's size, so that one learning rate serves small and large maps.
    """
    return _weighted_square(output, target, weight).sum(dim=(2, 3)).mean()


def mse_hard_joints(
    output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, *, top: int = 8
) -> torch.Tensor:
    """`mse` over the `top` joints of each sample with the largest loss (online hard keypoint mining)."""
    per_joint = 0.5 * _weighted_square(output, target, weight).mean(dim=(2, 3))
    return per_joint.topk(min(top, per_joint.shape[1]), dim=1).values.mean()


def _weighted_square(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    difference = output.float() - target
    return (difference if weight is None else difference * weight[..., None]).square()


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "mse": mse,
    "sum_squares": sum_squares,
    "mse_hard_joints": mse_hard_joints,
}
