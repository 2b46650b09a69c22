"""A pose model: a backbone and a pose transformer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from ..errors import InputError
from ..reductions.config import check_ratio
from .config import ModelSpec
from .token_state import TokenState
from .transformer import PoseTransformer


class PoseModel(nn.Module):
    """A backbone and a pose transformer: images (B, 3, H, W) -> heatmaps (B, J, h, w).

    `parts` names the modules whose compute is reported apart; `transformer` is the scope of GFLOPsT.
    """

    parts: ClassVar[dict[str, str]] = {
        "backbone": "backbone",
        "patch_embedding": "transformer.patch_embedding",
        "mask_scoring": "transformer.mask",
        "blocks": "transformer.stacks",
        "joint_blocks": "transformer.joint_blocks",
        "head": "transformer.head",
    }

    def __init__(self, spec: ModelSpec, backbone: nn.Module, transformer: PoseTransformer):
        super().__init__()
        self.spec = spec
        self.backbone = backbone
        self.transformer = transformer

    def forward(
        self, images: torch.Tensor, sample_ids: torch.Tensor | None = None, *, with_state: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, TokenState]:
        """Heatmaps (B, J, h, w); `with_state` also what became of the visual tokens."""
        return self.transformer(self.backbone(images), sample_ids, with_state=with_state)

    def run(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, TokenState]:
        """Heatmaps (B, J, h, w), and what became of the visual tokens."""
        return self(images, sample_ids, with_state=True)

    @torch.no_grad()
    def kept_indices(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Which visual tokens stay to the end, (B, K) indices into the row-major grid `spec.grid`."""
        return self.transformer.kept_indices(self.backbone(images), sample_ids)

    @torch.no_grad()
    def token_holders(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Which of the tokens at the end holds each grid cell, (B, N); -1 for a cell whose token was dropped."""
        return self.run(images, sample_ids)[1].holders(self.spec.tokens_total)

    def set_mask_ratio(self, ratio: float) -> None:
        """Mask by another ratio from now on, 0 to below 1; `spec` goes on saying what the model was made with.

        Explicit amounts of a reduction hold for its first ratio alone. Raises InputError for a model without a mask.
        """
        mask = self.transformer.mask
        if mask is None:
            raise InputError(f"{self.spec.name}, mask {self.spec.mask}: its ratio cannot change")
        mask.set_ratio(check_ratio(ratio))
