"""What a reduction may look at, and what it says of its choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .groups import Moved, places


@dataclass(frozen=True)
class Attended:
    """The inside of one attention over a prefix of keypoint tokens and then the visual tokens, n in all.

    keys, values: (B, heads, n, d / heads). logits: (B, heads, n, n) before any mask, and weights after softmax; None
    where a fused attention has not shown them, and those of the keypoint tokens' rows alone, (B, heads, J, n), where
    these are all that a reduction needs.
    """

    keys: torch.Tensor
    logits: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    values: torch.Tensor | None = None


@dataclass(frozen=True)
class Context:
    """What a reduction may look at beside the visual tokens (B, n, d).

    prefix: J, the keypoint tokens in front of the visual ones in `attn`; 0 for a model without any.
    grid: rows and columns of the whole token grid. token_indices: (B, n) the grid cell of each token, row-major.
    content: (B, n, d) the tokens without their positions, before the first block; between the blocks the tokens.
    sizes: (B, n) how many cells a merged token stands for; None for one each.
    valid: (B, n) False for what only fills up an image that has fewer tokens than others; None where all are real.
    cell: height and width of a token's cell, in any unit.
    attn: the block's attention; None before the first block.
    keypoint_attention: () -> (B, J, n), attention of each keypoint token over the visual tokens, mean over the heads,
    without gradient; before the first block by that block's own queries and keys. For a model without keypoint tokens
    (B, 1, n), the mean over the visual queries.
    noise: (columns) -> (B, columns) uniform in [0, 1), fresh in training, fixed per sample at evaluation.
    modules: its own trained modules by name. params: its options by name, defaults included.
    layer: the block, None before the first; depth: how many there are. training: as of the model.
    """

    prefix: int
    grid: tuple[int, int]
    token_indices: torch.Tensor
    content: torch.Tensor
    keypoint_attention: Callable[[], torch.Tensor]
    noise: Callable[[int], torch.Tensor] | None = None
    sizes: torch.Tensor | None = None
    valid: torch.Tensor | None = None
    cell: tuple[int, int] = (1, 1)
    attn: Attended | None = None
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    layer: int | None = None
    depth: int = 0
    training: bool = False

    def received(self) -> torch.Tensor:
        """(B, n) attention that each visual token gets from the keypoint tokens, mean over heads and keypoints; in a
        model without keypoint tokens from all visual tokens. Not renormalised."""
        queries = slice(self.prefix) if self.prefix else slice(None)
        return self.attn.weights[:, :, queries, self.prefix :].mean(dim=(1, 2))


@dataclass(frozen=True)
class Selected:
    """What became of n visual tokens, all that anybody else knows of a reduction's choice.

    token_indices: (B, K) which of the n tokens each output token stands at: one that it holds.
    source: (B, n) the place of the output token that holds each input token, -1 for one that was dropped; None where
    tokens are dropped and no more, so that token_indices says it all.
    sizes: (B, K) how many cells each output token stands for, where the attention is to count that; None otherwise.
    weights: (B, n) the factor with which each input token entered the sum that is its output token, for positions to
    follow; None where that is its size over its group's.
    valid: (B, K) False for padding, where images keep different numbers of tokens; None for none.
    connections: (B, n, k) the visual keys that each visual query goes on seeing, in no order; None for all.
    moved: the same as source, of the few tokens that are gone, where sums over groups are products; None otherwise.
    scores: (B, n) what each input token was judged by, the higher the rather kept, without gradient; None where single
    tokens are not judged.
    losses: what it is trained by, by name: functions from target heatmaps (B, J, h, w) to a scalar.
    """

    token_indices: torch.Tensor
    source: torch.Tensor | None = None
    sizes: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    valid: torch.Tensor | None = None
    connections: torch.Tensor | None = None
    moved: Moved | None = None
    scores: torch.Tensor | None = None
    losses: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = field(default_factory=dict)

    def holders(self, total: int) -> torch.Tensor:
        """(B, total) the place of the output token that holds each of the `total` input tokens, -1 where none does."""
        if self.source is not None:
            return self.source
        return places(self.token_indices, total)
