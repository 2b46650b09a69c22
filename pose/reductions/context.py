"""What a reduction may look at, and what it says of its choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Attended:
    """The inside of one attention over a prefix of keypoint tokens and then the visual tokens, n in all.

    keys: (B, heads, n, d / heads). logits: (B, heads, n, n) before any mask, and weights after softmax; None where a
    fused attention has not shown them.
    """

    keys: torch.Tensor
    logits: torch.Tensor | None = None
    weights: torch.Tensor | None = None


@dataclass(frozen=True)
class Context:
    """What a reduction may look at beside the visual tokens (B, n, d).

    prefix: J, the keypoint tokens in front of the visual ones in `attn`; 0 for a model without any.
    grid: rows and columns of the whole token grid. token_indices: (B, n) the grid cell of each token, row-major.
    content: (B, n, d) the tokens without their positions, before the first block; between the blocks the tokens.
    sizes: (B, n) how many cells a merged token stands for; None for one each.
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
    attn: Attended | None = None
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    layer: int | None = None
    depth: int = 0
    training: bool = False


@dataclass(frozen=True)
class Selected:
    """What became of n visual tokens, all that anybody else knows of a reduction's choice.

    token_indices: (B, K) which of the n tokens each output token stands at; ascending where tokens are dropped.
    source: (B, n) the place of the output token that holds each input token, -1 for one that was dropped; None where
    tokens are dropped and no more, so that token_indices says it all.
    sizes: (B, K) how many cells each output token stands for, where the attention is to count that; None otherwise.
    connections: (B, n, k) the visual keys that each visual query goes on seeing, in no order; None for all.
    losses: what it is trained by, by name: functions from target heatmaps (B, J, h, w) to a scalar.
    """

    token_indices: torch.Tensor
    source: torch.Tensor | None = None
    sizes: torch.Tensor | None = None
    connections: torch.Tensor | None = None
    losses: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = field(default_factory=dict)

    def holders(self, total: int) -> torch.Tensor:
        """(B, total) the place of the output token that holds each of the `total` input tokens, -1 where none does."""
        if self.source is not None:
            return self.source
        places = torch.arange(self.token_indices.shape[1], device=self.token_indices.device)
        gone = torch.full((len(self.token_indices), total), -1, device=places.device)
        return gone.scatter(1, self.token_indices, places.expand_as(self.token_indices))
