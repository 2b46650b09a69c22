"""The forward pass of a training step, as the one module that DistributedDataParallel wraps."""

from __future__ import annotations

import contextlib
import warnings

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..ranks import Ranks, Share
from ..reductions.noise import part_of_batch
from .losses import LOSSES
from .recipe import TrainingRecipe


class TrainingStep(nn.Module):
    """Images, targets and weights to (heatmap loss, heatmaps, losses of the model's reductions).

    Every loss is a mean over samples. A part of a batch (`share`) gives its part of the whole batch's losses: summed
    over the ranks they are what one process computes.
    """

    def __init__(self, model: nn.Module, recipe: TrainingRecipe, device: torch.device) -> None:
        super().__init__()
        self.model, self.recipe, self.device = model, recipe, device

    def forward(
        self, images: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, share: Share | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        whole = share is None or share.whole
        dtype = getattr(torch, self.recipe.amp_dtype)
        with (
            torch.autocast(self.device.type, dtype=dtype, enabled=self.recipe.amp),
            contextlib.nullcontext() if whole else part_of_batch(share.total, share.start),
        ):
            if hasattr(self.model, "run"):
                output, state = self.model.run(images)
                of_reductions = [loss for selected in state.selected for loss in selected.losses.values()]
            else:  # any module that maps images to heatmaps
                output, of_reductions = self.model(images), []
        if whole:
            return LOSSES[self.recipe.loss](output, target, weight), output, [loss(target) for loss in of_reductions]
        if len(share) == 0:  # the mean over nothing is none, but every rank must have a gradient
            return output.sum(), output, []
        part = len(share) / share.total
        losses = [loss(target) * part for loss in of_reductions]
        return LOSSES[self.recipe.loss](output, target, weight) * part, output, losses


def over_ranks(step: TrainingStep, ranks: Ranks) -> nn.Module:
    """The step with gradients that are the same on all ranks: their mean. The step itself for one process.

    A reduction's own parameters may be left out of a step: its ratio can be 0 there, or a rank has no sample.
    """
    if ranks.size == 1:
        return step
    mask = getattr(step.model.transformer, "mask", None)
    may_idle = mask is not None and any(True for _ in mask.parameters())
    # running statistics are the same on all ranks, or made so at the end of an epoch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the newer name of this option is not in every torch we support
        return DistributedDataParallel(step, broadcast_buffers=False, find_unused_parameters=may_idle)
