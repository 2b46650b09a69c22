"""The pose transformer: patch embedding, token mask, pre-norm blocks and heatmap head (TokenPose, section 3)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ..errors import InputError
from ..reductions.rows import pick
from ..reductions.schedule import Schedule
from .blocks import Block
from .embedding import PatchEmbedding
from .head import Head
from .positions import low_frequency_table, sine_table
from .reducer import TokenReducer, schedule_of, through_block
from .shape import TransformerShape
from .token_state import TokenState

POSITION_TYPES = ("sine-full", "sine", "learnable", "low-frequency")


class PoseTransformer(nn.Module):
    """Everything behind the backbone: features (B, C, H, W) -> heatmaps (B, J, h, w).

    mask: what lessens the visual tokens, before the first block or in the blocks.
    positions: "gather" (each kept token keeps its own position) or "prefix" (the first K cells' positions go to the
    kept tokens, as in TMPose's code). joint_mask: (J, J) which keypoint tokens see each other in the joint blocks; None
    until weights bring it.
    """

    def __init__(
        self,
        shape: TransformerShape,
        *,
        mask: TokenReducer | None = None,
        positions: str = "gather",
        joint_mask: torch.Tensor | None = None,
    ):
        super().__init__()
        self.shape, self.positions = shape, positions
        self.patch_embedding = PatchEmbedding(shape)
        self.keypoint_tokens = nn.Parameter(torch.empty(1, shape.keypoints, shape.dim))
        self.position_table = self._make_positions(shape)
        self.mask = mask
        self.stacks = nn.ModuleList(
            nn.ModuleList(Block(shape) for _ in range(shape.depth)) for _ in range(shape.stacks)
        )
        if shape.joint_blocks:
            self.joint_blocks = nn.ModuleList(Block(shape) for _ in range(shape.joint_blocks))
            self.register_buffer("joint_mask", joint_mask)
        self.head = Head(shape)
        nn.init.trunc_normal_(self.keypoint_tokens, std=0.02)

    @staticmethod
    def _make_positions(shape: TransformerShape) -> nn.Parameter:
        if shape.position_type == "learnable":
            table = nn.Parameter(torch.empty(1, shape.keypoints + shape.tokens, shape.dim))
            nn.init.trunc_normal_(table, std=0.02)
            return table
        make = low_frequency_table if shape.position_type == "low-frequency" else sine_table
        return nn.Parameter(make(shape.grid, shape.dim), requires_grad=False)

    @property
    def schedule(self) -> Schedule:
        """How many visual tokens (or connections) are left in which block."""
        return schedule_of(self.mask, self.shape)

    def run(self, features: torch.Tensor, sample_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, TokenState]:
        """Heatmaps (B, J, h, w), and what became of the visual tokens."""
        return self(features, sample_ids, with_state=True)

    def forward(
        self, features: torch.Tensor, sample_ids: torch.Tensor | None = None, *, with_state: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, TokenState]:
        x, state = self._enter(features, sample_ids)
        prefix = state.prefix
        again = self.shape.position_type in ("sine-full", "low-frequency")
        outputs, number = [], 0
        for stack in self.stacks:
            for i, block in enumerate(stack):
                if again and i > 0:
                    x = self._add_positions(x, state)
                x, state = self._through(block, x, state, number, sample_ids)
                number += 1
            outputs.append(x[:, :prefix])
        if self.shape.joint_blocks:
            outputs[-1] = self._joints_alone(outputs[-1])
        heatmaps = self.head(torch.cat(outputs, dim=2))
        return (heatmaps, state) if with_state else heatmaps

    def kept_indices(self, features: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Grid cells (row-major) of the visual tokens that are left at the end, (B, K); a merged token has one."""
        state = self.run(features, sample_ids)[1] if self.schedule.reduces else self._enter(features, sample_ids)[1]
        return state.token_indices

    def _enter(self, features: torch.Tensor, sample_ids: torch.Tensor | None) -> tuple[torch.Tensor, TokenState]:
        """The sequence (B, J + K, dim) that the first block gets: embedded, masked, with positions."""
        content = self.patch_embedding(features)
        keypoints, state = self._start(content)
        tokens = content + state.positions
        if self.mask is not None and self.mask.acts_before:
            tokens, state = self._mask(tokens, content, keypoints, state, sample_ids)
            if self.positions == "prefix" and state.selected:
                tokens = pick(content, state.token_indices) + state.positions
        return torch.cat((keypoints, tokens), dim=1), state

    def _start(self, features: torch.Tensor) -> tuple[torch.Tensor, TokenState]:
        """The keypoint tokens (B, J, dim) with their positions, and the state of all visual tokens."""
        joints, batch = self.shape.keypoints, features.shape[0]
        keypoints, table = self.keypoint_tokens, self.position_table
        if self.shape.position_type == "learnable":
            keypoints, table = keypoints + table[:, :joints], table[:, joints:]
        cells = torch.arange(self.shape.tokens, device=features.device).expand(batch, -1)
        return keypoints.expand(batch, -1, -1), TokenState(joints, table, cells)

    def _mask(
        self,
        tokens: torch.Tensor,
        content: torch.Tensor,
        keypoints: torch.Tensor,
        state: TokenState,
        sample_ids: torch.Tensor | None,
    ) -> tuple[torch.Tensor, TokenState]:
        """The visual tokens that a mask before the first block leaves, and their state."""
        table = state.positions
        tokens, state = self.mask.before_blocks(tokens, content, keypoints, self.stacks[0][0], state, sample_ids)
        if self.positions == "prefix" and state.selected:
            state = replace(state, positions=table[:, : tokens.shape[1]])
        return tokens, state

    def _add_positions(self, x: torch.Tensor, state: TokenState) -> torch.Tensor:
        return torch.cat((x[:, : state.prefix], x[:, state.prefix :] + state.positions), dim=1)

    def _through(
        self, block: Block, x: torch.Tensor, state: TokenState, number: int, sample_ids: torch.Tensor | None
    ) -> tuple[torch.Tensor, TokenState]:
        return through_block(block, x, state, self.mask, number, sample_ids)

    def _joints_alone(self, keypoints: torch.Tensor) -> torch.Tensor:
        """The joint blocks on the keypoint tokens (B, J, dim), each seeing those that the joint mask allows."""
        if self.joint_mask is None:
            raise InputError("the published joint mask comes with the paper's weights: load them before using it")
        for block in self.joint_blocks:
            keypoints = block(keypoints, self.joint_mask[None, None])
        return keypoints
