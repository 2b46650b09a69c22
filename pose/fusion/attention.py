"""Attention over short sequences on a CPU."""

from __future__ import annotations

import torch

from ..models.blocks import Attention, masked

#: Below it torch's fused attention works through blocks of 32 queries, which are too small to multiply fast.
SHORT = 192


class FusedAttention(Attention):
    """An Attention, which it takes over, that multiplies whole matrices of one image after the other, so that they stay
    in the cache, where torch's fused kernel for a CPU is slower than that (measured by 5 to 15 %)."""

    def __init__(self, eager: Attention):
        torch.nn.Module.__init__(self)
        self.__dict__.update(eager.__dict__)

    def mix(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if q.device.type != "cpu" or q.shape[2] >= SHORT or torch.is_autocast_enabled("cpu"):
            return super().mix(q, k, v, mask)
        biases = [None] * len(q) if mask is None else mask.expand(len(q), -1, -1, -1)
        parts = zip(q * self.scale, k.transpose(2, 3), v, biases, strict=True)
        return torch.stack([masked(a @ b, bias).softmax(dim=2) @ c for a, b, c, bias in parts])
