"""A pose transformer that computes only what its heatmaps are made of."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from ..models.blocks import Block
from ..models.token_state import TokenState
from ..models.transformer import PoseTransformer
from ..reductions.descriptor import DROP, KEYPOINT_WEIGHTS
from .short_attention import ShortAttention


class KeypointBlock(nn.Module):
    """A block of which the keypoint tokens alone are read: the visual ones are its keys and values and no more."""

    def __init__(self, block: Block):
        super().__init__()
        attention = block.attention
        self.heads, self.scale, self.split = attention.heads, attention.scale, attention.split
        self.attention_norm, self.mlp_norm, self.mlp = block.attention_norm, block.mlp_norm, block.mlp
        dim = attention.to_qkv.in_features
        self.to_q, self.to_kv = _rows(attention.to_qkv, slice(dim)), _rows(attention.to_qkv, slice(dim, None))
        self.to_out = attention.to_out

    def forward(self, x: torch.Tensor, keypoints: int, mask: torch.Tensor | None) -> torch.Tensor:
        """The first `keypoints` tokens of x (B, n, dim) after it; mask: broadcast to (B, heads, keypoints, n)."""
        normed, x = self.attention_norm(x), x[:, :keypoints]
        q = self.split(self.to_q(normed[:, :keypoints]))
        k, v = (self.split(part) for part in self.to_kv(normed).chunk(2, dim=2))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=self.scale)
        x = x + self.to_out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.mlp_norm(x))


def _rows(linear: nn.Linear, rows: slice) -> nn.Linear:
    """The linear layer that makes these of its outputs."""
    part = nn.Linear(1, 1, bias=linear.bias is not None, device="meta")
    part.weight = nn.Parameter(linear.weight[rows].detach().clone())
    if linear.bias is not None:
        part.bias = nn.Parameter(linear.bias[rows].detach().clone())
    part.out_features, part.in_features = part.weight.shape
    return part


class FusedTransformer(PoseTransformer):
    """The same heatmaps as those of a PoseTransformer in evaluation mode, which it takes over, with less work.

    A reduction before the first block that looks at no content has its tokens embedded alone. In the last block only
    the keypoint tokens are queries, and no reduction acts, since no visual token is read behind it. A reduction that
    asks what the keypoint tokens look at gets their rows of the attention, and the others are not shown. Attention of
    few tokens is two products on a CPU (ShortAttention).
    With `with_state` it says what became of the tokens before the last block.
    """

    def __init__(self, eager: PoseTransformer):
        nn.Module.__init__(self)
        self.__dict__.update(eager.__dict__)
        self.keypoint_block = self.shape.blocks - 1
        for block in (block for stack in self.stacks for block in stack):
            block.attention = ShortAttention(block.attention)
        self.stacks[-1][-1] = KeypointBlock(self.stacks[-1][-1])

    @property
    def embeds_what_it_keeps(self) -> bool:
        """Whether the tokens are chosen before they are made."""
        mask = self.mask
        return mask is not None and mask.acts_before and mask.reduction.control and mask.reduction.kind == DROP

    def _enter(self, features: torch.Tensor, sample_ids: torch.Tensor | None) -> tuple[torch.Tensor, TokenState]:
        if not self.embeds_what_it_keeps:
            return super()._enter(features, sample_ids)
        keypoints, state = self._start(features)
        unseen = features.new_empty(features.shape[0], self.shape.tokens, 0)
        _, state = self._mask(unseen, unseen, keypoints, state, sample_ids)
        tokens = self.patch_embedding(features, state.token_indices) + state.positions
        return torch.cat((keypoints, tokens), dim=1), state

    def _add_positions(self, x: torch.Tensor, state: TokenState) -> torch.Tensor:
        x[:, state.prefix :] += state.positions
        return x

    def _through(
        self, block: nn.Module, x: torch.Tensor, state: TokenState, number: int, sample_ids: torch.Tensor | None
    ) -> tuple[torch.Tensor, TokenState]:
        if number == self.keypoint_block:
            # Of what the keypoint tokens see nothing is ever cut.
            mask = None if state.allowed is not None else state.attention_mask(x.dtype)
            return block(x, state.prefix, mask), state
        mask = self.mask
        if mask is None or not mask.acts_in(number) or mask.reduction.needs != KEYPOINT_WEIGHTS:
            return super()._through(block, x, state, number, sample_ids)
        normed = block.attention_norm(x)
        attended, attn = block.attention(normed, state.attention_mask(x.dtype), rows=state.prefix)
        x, state = mask.in_block(x + attended, state, attn, number, sample_ids)
        return x + block.mlp(block.mlp_norm(x)), state
