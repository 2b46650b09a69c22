"""Attention of few tokens on a CPU, as the two products that it is made of."""

from __future__ import annotations

import torch
from torch import nn

from ..models.blocks import Attention
from ..reductions.context import Attended

#: From so many queries on torch's fused kernel for CPUs takes 64 at a time, below it 32 (q_split_size in ATen's
#: FlashAttentionKernel.cpp), and does a quarter fewer products per second, so that dropping tokens saves less than is
#: counted. Two products with a softmax between take 0.87 to 0.96 of its time there.
QUERIES = 192
#: bytes of logits, beyond which they leave the cache and the fused kernel, which never writes them down, is faster
LOGITS = 2**21


class ShortAttention(Attention):
    """An Attention, which it takes over: the same up to rounding, of few tokens faster."""

    def __init__(self, eager: Attention):
        nn.Module.__init__(self)
        self.__dict__.update(eager.__dict__)

    def mix(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        mask: torch.Tensor | None,
        need_weights: bool,
        rows: int,
    ) -> tuple[torch.Tensor, Attended]:
        batch, heads, queries, _ = q.shape
        short = q.device.type == "cpu" and q.dtype == torch.float32 and queries < QUERIES
        small = 4 * batch * heads * queries * k.shape[2] <= LOGITS
        shows, hides = need_weights or rows, mask is not None and mask.dtype == torch.bool
        if shows or hides or not (short and small):
            return super().mix(q, k, v, mask, need_weights, rows)
        added = q.new_zeros(()) if mask is None else mask.expand(batch, heads, *mask.shape[2:]).flatten(0, 1)
        logits = torch.baddbmm(added, q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=self.scale)
        mixed = torch.bmm(logits.softmax(dim=2), v.flatten(0, 1))
        return mixed.unflatten(0, (batch, heads)), Attended(k, values=v)
