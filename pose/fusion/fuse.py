"""A model in the form that computes the same with less."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from ..models.model import PoseModel
from ..models.transformer import PoseTransformer
from .folding import fold_batch_norms
from .transformer import FusedTransformer

Module = TypeVar("Module", bound=nn.Module)


def fuse(model: Module, *inputs: torch.Tensor) -> Module:
    """A copy of a model for inference, which computes the same, up to the rounding of float32 numbers.

    Batch norms are folded into the layers before them, convolutions compute channels last, and a transformer with
    keypoint tokens computes only what its heatmaps are made of (FusedTransformer). The model itself is not touched.
    inputs: an example of what it is called with; posebench's own models need none, a transformer alone gives a
    FusedTransformer. Call it under torch.inference_mode.
    """
    fused = copy.deepcopy(model).eval().requires_grad_(False)
    if isinstance(fused, PoseModel) and not inputs:
        weight = next(fused.parameters())
        inputs = (weight.new_zeros(1, 3, *fused.spec.input_size),)
    fold_batch_norms(fused, *inputs)
    for parent in list(fused.modules()):
        for name, child in parent.named_children():
            if type(child) is PoseTransformer:
                setattr(parent, name, FusedTransformer(child))
    if type(fused) is PoseTransformer:
        fused = FusedTransformer(fused)
    return fused.to(memory_format=torch.channels_last)
