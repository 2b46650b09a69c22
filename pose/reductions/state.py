"""What flows from block to block beside the tokens, and what a block's attention shows to a reduction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Attended:
    """The inside of one attention over J keypoint tokens and then the visual tokens, n in all.

    keys: (B, heads, n, d / heads). logits: (B, heads, n, n) before any mask, and weights after softmax; None where a
    fused attention has not shown them.
    """

    keys: torch.Tensor
    logits: torch.Tensor | None = None
    weights: torch.Tensor | None = None


@dataclass(frozen=True)
class TokenState:
    """The visual tokens on their way through the blocks.

    joints: J, the keypoint tokens at the front of the sequence.
    positions: (1 or B, n, d), added again before each block.
    cells: (B, n) the grid cell of each token, row-major. holder: (B, N) which token holds a cell's content; None as
    long as each holds its own.
    sizes: (B, n) how many cells a merged token stands for; None for one each.
    connections: (B, n, k) the visual keys that each visual query still sees, in no order; None for all.
    allowed: (B, 1, J + n, J + n) the same as a mask with the keypoint tokens, True where a query sees a key.
    """

    joints: int
    positions: torch.Tensor
    cells: torch.Tensor
    holder: torch.Tensor | None = None
    sizes: torch.Tensor | None = None
    connections: torch.Tensor | None = None
    allowed: torch.Tensor | None = None

    def change(self, **fields: object) -> TokenState:
        return replace(self, **fields)

    def attention_mask(self, dtype: torch.dtype) -> torch.Tensor | None:
        """What is given to the attention: booleans, or what is added to the logits, or None for plain attention.

        A token of size s counts as s equal keys: log s is added (ToMe, section 3.2, "proportional attention").
        """
        if self.sizes is None:
            return self.allowed
        bias = torch.cat((self.sizes.new_zeros(len(self.sizes), self.joints), self.sizes.log()), dim=1)
        return bias[:, None, None].to(dtype)


def pick(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows `index` (B, k) of values (1 or B, n, d): (B, k, d)."""
    values = values.expand(len(index), -1, -1)
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))
