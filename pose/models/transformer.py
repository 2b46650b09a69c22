"""The pose transformer: patch embedding, token mask, pre-norm blocks and heatmap head (TokenPose, section 3)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ..errors import InputError
from ..reductions.context import Attended, Context
from ..reductions.schedule import Schedule
from ..reductions.tokens import pick
from .blocks import Block
from .embedding import PatchEmbedding
from .head import Head
from .positions import low_frequency_table, sine_table
from .reducer import TokenReducer
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
        return self.mask.schedule if self.mask is not None else Schedule(self.shape.tokens, self.shape.blocks, ())

    def run(self, features: torch.Tensor, sample_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, TokenState]:
        """Heatmaps (B, J, h, w), and what became of the visual tokens."""
        return self(features, sample_ids, with_state=True)

    def forward(
        self, features: torch.Tensor, sample_ids: torch.Tensor | None = None, *, with_state: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, TokenState]:
        x, state = self._enter(features, sample_ids)
        prefix = state.prefix
        gather = self.mask is not None and self.mask.config.get("execution") == "gather"
        again = self.shape.position_type in ("sine-full", "low-frequency")
        outputs, number = [], 0
        for stack in self.stacks:
            for i, block in enumerate(stack):
                if again and i > 0:
                    x = torch.cat((x[:, :prefix], x[:, prefix:] + state.positions), dim=1)
                acts = self.mask is not None and self.mask.acts_in(number)
                if acts:
                    attended, attn = block.attend(x, state, need_weights=self.mask.need_weights, gather=gather)
                    x, state = self._reduce(x + attended, state, attn, number, sample_ids)
                else:
                    x = x + block.attend(x, state, gather=gather)[0]
                x = x + block.mlp(block.mlp_norm(x))
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

    def _reduce(
        self, x: torch.Tensor, state: TokenState, attn: Attended, block: int, sample_ids: torch.Tensor | None
    ) -> tuple[torch.Tensor, TokenState]:
        """Tokens (B, J + n, dim) and state after the reduction has acted in `block`; the keypoint tokens stay."""
        prefix = state.prefix
        tokens = x[:, prefix:]
        context = Context(
            prefix=prefix,
            grid=self.shape.grid,
            token_indices=state.token_indices,
            content=tokens,
            keypoint_attention=lambda: attn.weights[:, :, :prefix, prefix:].detach().mean(dim=1),
            sizes=state.sizes,
            valid=state.valid,
            cell=self.shape.patch,
            attn=attn,
        )
        tokens, selected = self.mask(tokens, context, sample_ids, block)
        if selected is None:
            return x, state
        if selected.connections is None:
            x = torch.cat((x[:, :prefix], tokens), dim=1)
        return x, state.after(selected)

    def _enter(self, features: torch.Tensor, sample_ids: torch.Tensor | None) -> tuple[torch.Tensor, TokenState]:
        """The sequence (B, J + K, dim) that the first block gets: embedded, masked, with positions."""
        content = self.patch_embedding(features)
        joints, batch = self.shape.keypoints, content.shape[0]
        keypoints, table = self.keypoint_tokens, self.position_table
        if self.shape.position_type == "learnable":
            keypoints, table = keypoints + table[:, :joints], table[:, joints:]
        keypoints = keypoints.expand(batch, -1, -1)
        tokens = content + table
        state = TokenState(joints, table, torch.arange(self.shape.tokens, device=content.device).expand(batch, -1))
        if self.mask is not None and self.mask.acts_before:
            tokens, state = self._reduce_at_once(tokens, content, keypoints, state, sample_ids)
        return torch.cat((keypoints, tokens), dim=1), state

    def _reduce_at_once(
        self,
        tokens: torch.Tensor,
        content: torch.Tensor,
        keypoints: torch.Tensor,
        state: TokenState,
        sample_ids: torch.Tensor | None,
    ) -> tuple[torch.Tensor, TokenState]:
        """The visual tokens that go into the first block, and their state. content: the same without positions."""
        first = self.stacks[0][0]

        def keypoint_attention() -> torch.Tensor:
            with torch.no_grad():
                queries, keys = first.attention_norm(keypoints), first.attention_norm(tokens)
                return first.attention.weights_between(queries, keys)

        context = Context(
            state.prefix, self.shape.grid, state.token_indices, content, keypoint_attention, cell=self.shape.patch
        )
        chosen, selected = self.mask(tokens, context, sample_ids)
        if selected is None:
            return tokens, state
        table, state = state.positions, state.after(selected)
        if self.positions == "prefix":
            table = table[:, : chosen.shape[1]]
            return pick(content, selected.token_indices) + table, replace(state, positions=table)
        return chosen, state

    def _joints_alone(self, keypoints: torch.Tensor) -> torch.Tensor:
        """The joint blocks on the keypoint tokens (B, J, dim), each seeing those that the joint mask allows."""
        if self.joint_mask is None:
            raise InputError("the published joint mask comes with the paper's weights: load them before using it")
        for block in self.joint_blocks:
            keypoints = block(keypoints, self.joint_mask[None, None])
        return keypoints
