"""What flows from block to block beside the tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from ..reductions.context import Selected
from ..reductions.groups import group_mean, group_sizes, group_sum
from ..reductions.rows import exporting, pick


@dataclass(frozen=True)
class TokenState:
    """The visual tokens on their way through the blocks.

    prefix: J, the keypoint tokens at the front of the sequence.
    positions: (1 or B, n, d), added again before each block.
    token_indices: (B, n) the grid cell of each token, row-major.
    sizes: (B, n) how many cells a merged token stands for; None for one each.
    valid: (B, n) False for padding; None where every token is real.
    connections: (B, n, k) the visual keys that each visual query still sees, in no order; None for all.
    allowed: (B, 1, J + n, J + n) the same as a mask with the keypoint tokens, True where a query sees a key.
    selected: what each reduction did so far.
    values: (B, N, dim) the last that a dense grid saw of each cell, where what was dropped is to be shown so; or None.
    """

    prefix: int
    positions: torch.Tensor
    token_indices: torch.Tensor
    sizes: torch.Tensor | None = None
    valid: torch.Tensor | None = None
    connections: torch.Tensor | None = None
    allowed: torch.Tensor | None = None
    selected: tuple[Selected, ...] = ()
    values: torch.Tensor | None = None

    def after(self, selected: Selected) -> TokenState:
        """The state when a reduction has acted: positions go where their tokens went."""
        state = replace(self, selected=(*self.selected, selected))
        if selected.connections is not None:
            allowed = _allowed(selected.connections, self.token_indices.shape[1], self.prefix)
            return replace(state, connections=selected.connections, allowed=allowed)
        index = selected.token_indices
        if selected.source is None or selected.valid is not None:
            positions = pick(self.positions, index)
        elif selected.weights is not None:
            weighted = self.positions * selected.weights[:, :, None]
            positions = group_sum(weighted, selected.source, index.shape[1], selected.moved)
        else:
            ones = torch.ones_like(selected.source, dtype=self.positions.dtype)
            sizes = ones if self.sizes is None else self.sizes
            held = selected.sizes
            if held is None:
                held = group_sizes(selected.source, sizes, index.shape[1], selected.moved)
            positions = group_mean(self.positions, selected.source, sizes, held, selected.moved)
        positions = positions.to(self.positions.dtype)  # a reduction chooses and weighs in float32
        token_indices = self.token_indices.gather(1, index)
        return replace(
            state, positions=positions, token_indices=token_indices, sizes=selected.sizes, valid=selected.valid
        )

    def lengths(self) -> torch.Tensor:
        """(B,) how many visual tokens of each image there are, padding left out."""
        if self.valid is not None:
            return self.valid.sum(dim=1)
        batch, tokens = self.token_indices.shape
        return torch.full((batch,), tokens, device=self.token_indices.device)

    def holders(self, total: int) -> torch.Tensor:
        """(B, total) which of the tokens now holds each of the first `total` tokens, -1 for what was dropped."""
        found = torch.arange(total, device=self.token_indices.device).expand(self.token_indices.shape[0], -1)
        for selected in self.selected:
            places = selected.holders(total)
            total = selected.token_indices.shape[1]
            found = torch.where(found >= 0, places.gather(1, found.clamp(min=0)), found)
        return found

    def attention_mask(self, dtype: torch.dtype) -> torch.Tensor | None:
        """What is given to the attention: booleans, or what is added to the logits, or None for plain attention.

        A token of size s counts as s equal keys: log s is added (ToMe, section 3.2, "proportional attention"). Padding
        is not seen.
        """
        if self.sizes is None and self.valid is None:
            return self.allowed
        bias = torch.zeros_like(self.valid, dtype=dtype) if self.sizes is None else self.sizes.log()
        if self.valid is not None:
            bias = bias.masked_fill(~self.valid, torch.finfo(dtype).min)
        bias = torch.cat((bias.new_zeros(bias.shape[0], self.prefix), bias), dim=1)
        return bias[:, None, None].to(dtype)


def _allowed(connections: torch.Tensor, tokens: int, prefix: int) -> torch.Tensor:
    """Connections (B, n, k) as a mask (B, 1, J + n, J + n) in which keypoint tokens see all and are seen by all."""
    if exporting():  # without a scatter, see groups.py
        allowed = (connections[:, :, :, None] == torch.arange(tokens, device=connections.device)).any(dim=2)
    else:
        none = torch.zeros(len(connections), tokens, tokens, device=connections.device)
        allowed = none.scatter(2, connections, torch.ones_like(none)) > 0
    return F.pad(allowed, (prefix, 0, prefix, 0), value=True)[:, None]
