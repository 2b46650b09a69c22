"""Which visual tokens go on: masks before the first block, reductions between the blocks.

Everything that choosing costs happens inside these modules, so that it is counted as a part of its own.
"""

from __future__ import annotations

import torch
from torch import nn

from ..masks import MASKS, MaskInput, evaluation_noise, kept_tokens
from ..reductions import REDUCTIONS
from ..reductions.schedule import Asked, Schedule, check_locations
from ..reductions.state import Attended, TokenState
from .blocks import Block
from .shape import TransformerShape


class TokenMask(nn.Module):
    """Chooses the kept tokens before the first block.

    `draw`: "sample" (each sample its own noise) or "batch" (one draw for the whole batch, as TMPose's code does).
    """

    def __init__(self, name: str, ratio: float, shape: TransformerShape, *, draw: str = "sample", seed: int = 0):
        super().__init__()
        self.name, self.draw, self.seed = name, draw, seed
        self.total = shape.tokens
        self.linear = nn.Linear(shape.dim, 1) if name == "scorer" else None
        self.logits: torch.Tensor | None
        self.set_ratio(ratio)

    def __getstate__(self) -> dict[str, object]:
        """A copy has no logits: those of a training step hang on their graph, which cannot be copied."""
        return self.__dict__ | {"logits": None}

    def set_ratio(self, ratio: float) -> None:
        """Mask by another ratio from now on; 0 keeps every token."""
        self.ratio, self.keep = ratio, kept_tokens(self.total, ratio)
        self.logits = None  # at ratio 0 nothing is scored, and what was scored before must not be learned from again

    def forward(
        self,
        tokens: torch.Tensor,
        content: torch.Tensor,
        keypoint_tokens: torch.Tensor,
        first_block: Block,
        sample_ids: torch.Tensor | None,
    ) -> torch.Tensor:
        """Kept indices (B, K) of tokens (B, N, dim); `content` is the same without positions."""

        def keypoint_attention() -> torch.Tensor:
            with torch.no_grad():
                normed = first_block.attention_norm(tokens)
                if not keypoint_tokens.shape[1]:  # without keypoint tokens: the mean over all queries
                    return first_block.attention.weights_between(normed, normed).mean(dim=1, keepdim=True)
                return first_block.attention.weights_between(first_block.attention_norm(keypoint_tokens), normed)

        def score() -> torch.Tensor:
            self.logits = self.linear(tokens).squeeze(2)
            return self.logits

        def noise(columns: int) -> torch.Tensor:
            return self._noise(len(tokens), columns, sample_ids, tokens.device)

        mask = MASKS[self.name]
        return mask(MaskInput(tokens, content, self.keep, keypoint_attention, score, noise))

    def _noise(self, batch: int, columns: int, sample_ids: torch.Tensor | None, device: torch.device) -> torch.Tensor:
        rows = 1 if self.draw == "batch" else batch
        if self.training:
            return torch.rand(rows, columns, device=device).expand(batch, -1)
        ids = torch.arange(batch, device=device) if sample_ids is None else sample_ids.to(device)
        return evaluation_noise(ids[:rows], columns, self.seed).expand(batch, -1)


class TokenReduction(nn.Module):
    """A reduction at its place in the network: what `REDUCTIONS` says it does, and how much of it where.

    locations: blocks from 0, by default the reduction's own; amounts: per location, over the ratio (see the planners in
    pose/reductions/schedule.py). execution: "dense" computes cut connections and masks them, "gather" leaves them out.
    """

    def __init__(
        self,
        name: str,
        ratio: float,
        shape: TransformerShape,
        *,
        locations: tuple[int, ...] | None = None,
        amounts: tuple[float, ...] | None = None,
        execution: str = "dense",
    ):
        super().__init__()
        self.name, self.execution, self.amounts = name, execution, amounts
        self.needs_weights = REDUCTIONS[name].needs_weights
        self.locations = check_locations(locations or REDUCTIONS[name].locations(shape.blocks), shape.blocks)
        self.shape, self.own_ratio = shape, ratio
        self.set_ratio(ratio)

    def set_ratio(self, ratio: float) -> None:
        """Reduce by another ratio from now on; 0 leaves everything as it is. The amounts belong to the first ratio."""
        self.ratio = ratio
        amounts = self.amounts if ratio == self.own_ratio else None
        asked = Asked(self.shape.tokens, self.shape.blocks, ratio, self.locations, amounts)
        self.schedule: Schedule = REDUCTIONS[self.name].plan(asked)

    def acts_in(self, block: int) -> bool:
        return self.schedule.reduces and self.schedule.left_at(block) is not None

    def forward(
        self, x: torch.Tensor, state: TokenState, seen: Attended, block: int
    ) -> tuple[torch.Tensor, TokenState]:
        """Tokens (B, J + n, dim) and state after this reduction acted in `block`."""
        left = self.schedule.left_at(block)
        if left == x.shape[1] - state.joints and self.schedule.removes:
            return x, state
        return REDUCTIONS[self.name].act(x, state, seen, left)
