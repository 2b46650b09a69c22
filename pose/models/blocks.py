"""The transformer block: pre-norm attention and pre-norm MLP (TokenPose, section 3.2)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from ..reductions.context import Attended
from ..reductions.wide import as_given, wide
from .shape import TransformerShape
from .token_state import TokenState

#: what keys and values that connections gather may take on an accelerator at a time
GATHERED_BYTES = 256 * 2**20


class Attention(nn.Module):
    """Multi-head self-attention; the output has a bias, queries, keys and values where the shape says so."""

    def __init__(self, shape: TransformerShape):
        super().__init__()
        self.heads = shape.heads
        head_dim = shape.dim // shape.heads
        self.scale = (shape.dim if shape.attention_scale == "dim" else head_dim) ** -0.5
        self.to_qkv = nn.Linear(shape.dim, 3 * shape.dim, bias=shape.qkv_bias)
        self.to_out = nn.Linear(shape.dim, shape.dim)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, n, dim) -> (B, heads, n, dim / heads)"""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, *, need_weights: bool = False, rows: int = 0
    ) -> tuple[torch.Tensor, Attended]:
        """Attention of x (B, n, dim) over itself, and its inside: keys, and with `need_weights` logits and weights.

        rows: the logits and weights of the first so many queries alone, beside a fused attention of all.
        mask: broadcast to (B, heads, n, n); booleans, False where a query does not see a key, or numbers to add to the
        logits. Each query must see at least one key.
        """
        q, k, v = (self.split(part) for part in self.to_qkv(x).chunk(3, dim=2))
        mixed, attn = self.mix(q, k, v, mask, need_weights, rows)
        return self.to_out(mixed.transpose(1, 2).flatten(2)), attn

    def mix(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        mask: torch.Tensor | None,
        need_weights: bool,
        rows: int,
    ) -> tuple[torch.Tensor, Attended]:
        """The values of all heads, (B, heads, n, d), mixed, and what is to be shown of it."""
        return attend(q, k, v, mask, scale=self.scale, need_weights=need_weights, rows=rows)

    def over_connections(self, x: torch.Tensor, prefix: int, connections: torch.Tensor) -> torch.Tensor:
        """The same where each visual query sees the keypoint tokens and its `connections` (B, n, k) only, computed for
        those alone: their keys and values are gathered, so that no masked product is executed.
        """
        q, k, v = (self.split(part) for part in self.to_qkv(x).chunk(3, dim=2))
        parts = [self._gathered(*part, prefix) for part in self._apart(q, k, v, connections)]
        for_visual = torch.cat(parts, dim=1 if x.device.type == "cpu" else 0)
        for_keypoints = F.scaled_dot_product_attention(q[:, :, :prefix], k, v, scale=self.scale)
        mixed = torch.cat((for_keypoints, for_visual), dim=2)
        return self.to_out(mixed.transpose(1, 2).flatten(2))

    def _apart(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, connections: torch.Tensor
    ) -> list[tuple[torch.Tensor, ...]]:
        """Heads one at a time on a CPU, where the gathered rows stay in the cache; elsewhere as many images as lay no
        more than GATHERED_BYTES aside."""
        if q.device.type == "cpu":
            alone = zip(*(part.chunk(self.heads, dim=1) for part in (q, k, v)), strict=True)
            return [(*part, connections) for part in alone]
        gathered = 2 * connections[0].numel() * self.heads * q.shape[3] * q.element_size()
        images = max(1, GATHERED_BYTES // max(gathered, 1))
        return list(zip(*(part.split(images) for part in (q, k, v, connections)), strict=True))

    def _gathered(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, connections: torch.Tensor, prefix: int
    ) -> torch.Tensor:
        """What the visual queries get, (B, some heads, n, d), over the keypoint tokens and their own connections."""
        batch, heads = q.shape[:2]
        tokens, count = connections.shape[1:]
        # Rows of all images and heads one below the other, so that whole rows are copied.
        first = torch.arange(batch * heads, device=q.device).view(batch, heads, 1, 1) * tokens
        index = (connections[:, None] + first).flatten()

        def own(values: torch.Tensor) -> torch.Tensor:
            rows = values[:, :, prefix:].flatten(0, 2).index_select(0, index)
            return rows.view(batch, heads, tokens, count, -1)

        visual = q[:, :, prefix:] * self.scale
        of_keypoints = visual @ k[:, :, :prefix].transpose(2, 3)
        of_visual = (visual[:, :, :, None] @ own(k).transpose(3, 4)).squeeze(3)
        weights = torch.cat((of_keypoints, of_visual), dim=3).softmax(dim=3)
        mixed = (weights[..., None, prefix:] @ own(v)).squeeze(3)
        return mixed + weights[..., :prefix] @ v[:, :, :prefix]

    def weights_between(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Attention of normed queries (B, J, dim) over normed keys (B, N, dim), mean over the heads: (B, J, N). In the
        format of the queries, float32 where tokens are chosen by it."""
        dim = queries.shape[2]
        weight, bias = self.to_qkv.weight.to(queries.dtype).split(dim), (None, None)
        if self.to_qkv.bias is not None:
            bias = self.to_qkv.bias.to(queries.dtype).split(dim)
        q, k = (self.split(F.linear(x, weight[i], bias[i])) for i, x in enumerate((queries, keys)))
        return ((q * self.scale) @ k.transpose(2, 3)).softmax(dim=3).mean(dim=1)


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    scale: float,
    need_weights: bool,
    rows: int = 0,
    dropout: float = 0.0,
) -> tuple[torch.Tensor, Attended]:
    """Values (B, heads, n, d) mixed by attention, and its inside; q, k, v: (B, heads, n, d), the rest as above."""
    if not need_weights:
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale)
        shown = _shown(q[:, :, :rows], k, mask, scale) if rows else (None, None)
        return mixed, Attended(k, *shown, v)
    logits, weights = _shown(q, k, mask, scale)
    mixing = weights.to(v.dtype)
    return F.dropout(mixing, dropout) @ v if dropout else mixing @ v, Attended(k, logits, weights, v)


def _shown(
    q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits before the mask, and the weights, in float32 also of queries and keys in half precision: tokens are
    chosen by them."""
    with as_given(q.device):
        logits = (wide(q) * scale) @ wide(k).transpose(2, 3)
        return logits, masked(logits, mask).softmax(dim=3)


def masked(logits: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Logits with minus infinity where a boolean mask is False, or with a mask of numbers added."""
    if mask is None:
        return logits
    if mask.dtype == torch.bool:  # adding once broadcast is much faster than filling in every head
        mask = logits.new_zeros(mask.shape).masked_fill(~mask, float("-inf"))
    return logits + mask


class Block(nn.Module):
    """Pre-norm attention and pre-norm MLP (exact GELU), a residual around both."""

    def __init__(self, shape: TransformerShape):
        super().__init__()
        hidden = shape.dim * shape.mlp_ratio
        self.attention_norm = nn.LayerNorm(shape.dim, eps=shape.norm_eps)
        self.attention = Attention(shape)
        self.mlp_norm = nn.LayerNorm(shape.dim, eps=shape.norm_eps)
        self.mlp = nn.Sequential(nn.Linear(shape.dim, hidden), nn.GELU(), nn.Linear(hidden, shape.dim))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        attended, _ = self.attention(self.attention_norm(x), mask)
        x = x + attended
        return x + self.mlp(self.mlp_norm(x))

    @torch.no_grad()
    def look(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Attention of tokens (B, m, dim) over tokens (B, n, dim) by this block's own queries and keys, mean over the
        heads: (B, m, n). It has no gradient."""
        with as_given(queries.device):
            normed = (self._normed(wide(tokens)) for tokens in (queries, keys))
            return self.attention.weights_between(*normed)

    def _normed(self, x: torch.Tensor) -> torch.Tensor:
        norm = self.attention_norm
        if norm.weight.dtype == x.dtype:
            return norm(x)
        return F.layer_norm(x, norm.normalized_shape, norm.weight.to(x.dtype), norm.bias.to(x.dtype), norm.eps)

    def attend(
        self, x: torch.Tensor, state: TokenState, *, need_weights: bool = False, gather: bool = False
    ) -> tuple[torch.Tensor, Attended | None]:
        """What the attention adds to tokens (B, J + n, dim) in a state, and its inside.

        gather: compute the state's connections only, not all under a mask, unless the weights are needed.
        """
        normed = self.attention_norm(x)
        if gather and state.connections is not None and not need_weights:
            return self.attention.over_connections(normed, state.prefix, state.connections), None
        return self.attention(normed, state.attention_mask(x.dtype), need_weights=need_weights)
