"""The published convention: how the papers' GFLOPs were counted, kept for comparison only.

HRNet's model summary counts convolutions and linear modules, and divides by 1024^3. For a linear layer it multiplies
the output's size by `input.size(1)`: on (batch, tokens, channels) that is the number of tokens where the number of
input channels belongs, so the "GFLOPs" of a transformer fall with the square of the token count. It sees no attention
product and nothing that is not a module.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import nn

GIGA = 1024**3


def published_macs(model: nn.Module, inputs: tuple[Any, ...]) -> dict[str, int]:
    """What the papers' counter adds up for each module of `model`, by module name ("" is the whole).

    `inputs` must be of batch size 1, as in the papers. The model runs once, in the mode it is in.
    """
    counts: dict[str, int] = {}
    hooks = []

    def count(name: str):
        def hook(module: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if isinstance(module, nn.Linear):
                macs = prod(output.shape) * given[0].shape[1]
            else:
                macs = prod(module.weight.shape) * prod(output.shape[2:])
            for scope in _scopes(name):
                counts[scope] = counts.get(scope, 0) + macs

        return hook

    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
            hooks.append(module.register_forward_hook(count(name)))
    try:
        with torch.no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def _scopes(name: str) -> list[str]:
    parts = name.split(".") if name else []
    return ["", *(".".join(parts[: i + 1]) for i in range(len(parts)))]
