"""The optimiser of a model: which parameters it moves, and which of them decay."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from ..errors import InputError
from .recipe import TrainingRecipe


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trainable parameters in two groups: convolution and linear weights, which decay, and the rest.

    The rest is biases, norms, keypoint tokens and learned positions: they have no scale that the next layer could
    undo, so decay would only pull the function itself to zero. Frozen parameters (position tables) are in neither.
    """
    decaying = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear | _ConvNd)}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise InputError("the model has no trainable parameter")
    return [
        {"params": [p for p in trainable if id(p) in decaying], "weight_decay": weight_decay},
        {"params": [p for p in trainable if id(p) not in decaying], "weight_decay": 0.0},
    ]


def make_optimizer(model: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """Adam (weight decay added to the gradient) or AdamW (decoupled, Loshchilov and Hutter, 2019)."""
    cls = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return cls(parameter_groups(model, recipe.weight_decay), lr=recipe.learning_rate, fused=True)
