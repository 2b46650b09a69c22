"""The published convention: how the papers' GFLOPs were counted, kept for comparison only.

HRNet's model summary counts convolutions and linear modules, and divides by 1024^3. For a linear layer it multiplies
the output's size by `input.size(1)`: on (batch, tokens, channels) that is the number of tokens where the number of
input channels belongs, so the "GFLOPs" of a transformer fall with the square of the token count. It sees no attention
product and nothing that is not a module.
"""

from __future__ import annotations

from math import prod
from typing import Any

from torch import nn

GIGA = 1024**3


def published_layer_macs(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> int:
    """What the papers' counter adds for one call of a module. Inputs are of batch size 1 in the papers; of a larger
    batch it counts linear layers on each sample, convolutions on one."""
    if isinstance(module, nn.Linear):
        # input.size(1); a layer may be given its input by keyword, or one vector
        return prod(output.shape) * (output.shape[1] if output.ndim > 2 else module.in_features)
    if isinstance(module, nn.modules.conv._ConvNd):
        return prod(module.weight.shape) * prod(output.shape[2:])
    return 0
