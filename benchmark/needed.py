"""Multiply-adds of masked connections: a dense attention executes them, though their weight is zero."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..pose.models.blocks import Attention


def masked_macs(model: nn.Module, inputs: tuple[Any, ...]) -> int:
    """What one forward pass multiplies in vain: products of queries and keys, and of weights and values, of connections
    that a boolean mask cuts. Executed less this is what is needed.

    An attention that shows its logits, to choose connections from them, needs all of these; there only the products
    with the values are in vain. The model runs once, in the mode it is in.
    """
    found = 0

    def count(module: Attention, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal found
        x = args[0]
        mask = args[1] if len(args) > 1 else kwargs.get("mask")
        if mask is None or mask.dtype != torch.bool:
            return
        batch, tokens, dim = x.shape
        cut = int((~mask.expand(batch, 1, tokens, tokens)).sum())
        found += cut * dim * (1 if kwargs.get("need_weights") else 2)

    hooks = [
        module.register_forward_pre_hook(count, with_kwargs=True)
        for module in model.modules()
        if isinstance(module, Attention)
    ]
    try:
        with torch.no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found
