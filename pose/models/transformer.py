"""The pose transformer: patch embedding, token mask, pre-norm blocks and heatmap head (TokenPose, section 3)."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from ..errors import InputError
from ..reductions.schedule import Schedule
from ..reductions.state import TokenState, pick
from .blocks import Block
from .ends import Head, PatchEmbedding
from .positions import low_frequency_table, sine_table
from .selection import TokenMask, TokenReduction
from .shape import TransformerShape

POSITION_TYPES = ("sine-full", "sine", "learnable", "low-frequency")


class PoseTransformer(nn.Module):
    """Everything behind the backbone: features (B, C, H, W) -> heatmaps (B, J, h, w).

    mask: what chooses the visual tokens, before the first block (TokenMask) or between the blocks (TokenReduction).
    positions: "gather" (each kept token keeps its own position) or "prefix" (the first K cells' positions go to the
    kept tokens, as in TMPose's code). joint_mask: (J, J) which keypoint tokens see each other in the joint blocks.
    """

    def __init__(
        self,
        shape: TransformerShape,
        *,
        mask: TokenMask | TokenReduction | None = None,
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
            self.register_load_state_dict_post_hook(_look_at_joint_mask)
            _look_at_joint_mask(self)
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
    def last_scorer_logits(self) -> torch.Tensor | None:
        """Logits (B, N) of the scorer mask in the last forward pass; None for other masks."""
        return getattr(self.mask, "logits", None)

    @property
    def schedule(self) -> Schedule:
        """How many visual tokens (or connections) are left in which block."""
        if isinstance(self.mask, TokenReduction) and self.mask.schedule.reduces:
            return self.mask.schedule
        kept = self.mask.keep if isinstance(self.mask, TokenMask) else self.shape.tokens
        return Schedule(kept, self.shape.blocks, ())

    def forward(self, features: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        return self.run(features, sample_ids)[0]

    def run(self, features: torch.Tensor, sample_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, TokenState]:
        """Heatmaps (B, J, h, w), and what became of the visual tokens."""
        x, state = self._enter(features, sample_ids)
        joints = state.joints
        reduction = self.mask if isinstance(self.mask, TokenReduction) else None
        gather = reduction is not None and reduction.execution == "gather"
        again = self.shape.position_type in ("sine-full", "low-frequency")
        outputs, number = [], 0
        for stack in self.stacks:
            for i, block in enumerate(stack):
                if again and i > 0:
                    x = torch.cat((x[:, :joints], x[:, joints:] + state.positions), dim=1)
                acts = reduction is not None and reduction.acts_in(number)
                reduce = partial(reduction, block=number) if acts else None
                x, state = block.reduced(x, state, reduce, show=acts and reduction.needs_weights, gather=gather)
                number += 1
            outputs.append(x[:, :joints])
        if self.shape.joint_blocks:
            outputs[-1] = self._joints_alone(outputs[-1])
        return self.head(torch.cat(outputs, dim=2)), state

    def kept_indices(self, features: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Grid cells (row-major) of the visual tokens that are left at the end, (B, K); a merged token has one."""
        if isinstance(self.mask, TokenReduction):
            return self.run(features, sample_ids)[1].cells
        return self._enter(features, sample_ids)[1].cells

    def _enter(self, features: torch.Tensor, sample_ids: torch.Tensor | None) -> tuple[torch.Tensor, TokenState]:
        """The sequence (B, J + K, dim) that the first block gets: embedded, masked, with positions."""
        content = self.patch_embedding(features)
        joints, batch = self.shape.keypoints, len(content)
        keypoints, table = self.keypoint_tokens, self.position_table
        if self.shape.position_type == "learnable":
            keypoints, table = keypoints + table[:, :joints], table[:, joints:]
        keypoints = keypoints.expand(batch, -1, -1)
        tokens = content + table
        cells = torch.arange(self.shape.tokens, device=content.device).expand(batch, -1)
        if isinstance(self.mask, TokenMask) and self.mask.ratio > 0:
            cells = self.mask(tokens, content, keypoints, self.stacks[0][0], sample_ids)
            table = table[:, : cells.shape[1]] if self.positions == "prefix" else pick(table, cells)
            tokens = pick(content, cells) + table
        return torch.cat((keypoints, tokens), dim=1), TokenState(joints, table, cells)

    def _joints_alone(self, keypoints: torch.Tensor) -> torch.Tensor:
        """The joint blocks on the keypoint tokens (B, J, dim), each seeing those that the joint mask allows."""
        if self.joint_mask_missing:
            raise InputError("the published joint mask comes with the paper's weights: load them before using it")
        for block in self.joint_blocks:
            keypoints = block(keypoints, self.joint_mask[None, None])
        return keypoints


def _look_at_joint_mask(transformer: PoseTransformer, *_: object) -> None:
    mask = transformer.joint_mask
    transformer.joint_mask_missing = not mask.is_meta and not bool(mask.any())
