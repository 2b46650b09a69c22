"""A pose model, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ..errors import InputError
from ..masks import check_ratio
from ..reductions.restore import token_holders
from ..reductions.schedule import Schedule
from .transformer import PoseTransformer


@dataclass(frozen=True)
class ModelSpec:
    """What a created model is: everything that `create_model` was asked for, resolved, plus derived sizes.

    locations, amounts: of a reduction between the blocks (amounts: shares kept, or tokens merged; None where the mask
    ratio alone decides); schedule: how many visual tokens or connections that leaves in which block.
    decoder: of a model without keypoint tokens. udp: it is trained and tested in unbiased coordinates (UDP).
    """

    name: str
    dataset: str
    input_size: tuple[int, int]
    mask: str
    mask_ratio: float
    positions: str
    position_type: str
    draw: str
    seed: int
    as_published: bool
    locations: tuple[int, ...] | None
    amounts: tuple[float, ...] | None
    execution: str
    joint_mask: str | None
    heatmap_size: tuple[int, int]
    sigma: float
    num_keypoints: int
    grid: tuple[int, int]
    schedule: Schedule
    decoder: str | None = None
    udp: bool = False

    @property
    def convention(self) -> str:
        """Of the model's crops (pose/data/boxes.py), and the name of the decoding that goes with it."""
        return "udp" if self.udp else "dark"

    @property
    def tokens_total(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def tokens_kept(self) -> int:
        """Visual tokens after the last block; cut connections remove none."""
        return self.schedule.last if self.schedule.removes else self.tokens_total

    @property
    def mean_ratio(self) -> float:
        """Fraction of the visual tokens (or connections) that is gone, mean over the blocks."""
        return 1 - self.schedule.mean_left / self.tokens_total

    def create_arguments(self) -> dict:
        """Keyword arguments that make this model again with `create_model`, plain types only."""
        merges = self.mask == "tome"
        return {
            "name": self.name,
            "dataset": self.dataset,
            "input_size": list(self.input_size),
            "mask": self.mask,
            "mask_ratio": self.mask_ratio,
            "positions": self.positions,
            "position_type": self.position_type,
            "draw": self.draw,
            "seed": self.seed,
            "as_published": self.as_published,
            **({"locations": list(self.locations)} if self.locations else {}),
            **({"merge" if merges else "keep": list(self.amounts)} if self.amounts else {}),
            **({"execution": self.execution} if self.execution != "dense" else {}),
            **({"joint_mask": self.joint_mask} if self.joint_mask else {}),
            **({"decoder": self.decoder} if self.decoder else {}),
        }


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

    def forward(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        return self.transformer(self.backbone(images), sample_ids)

    @torch.no_grad()
    def kept_indices(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Which visual tokens stay to the end, (B, K) indices into the row-major grid `spec.grid`."""
        return self.transformer.kept_indices(self.backbone(images), sample_ids)

    @torch.no_grad()
    def token_holders(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Which of the tokens at the end holds each grid cell, (B, N); -1 for a cell whose token was dropped."""
        return token_holders(self.transformer.run(self.backbone(images), sample_ids)[1], self.spec.tokens_total)

    def set_mask_ratio(self, ratio: float) -> None:
        """Mask by another ratio from now on, 0 to below 1; `spec` goes on saying what the model was made with.

        Explicit amounts of a reduction hold for its first ratio alone. Raises InputError for a model without a mask.
        """
        mask = self.transformer.mask
        if mask is None:
            raise InputError(f"{self.spec.name}, mask {self.spec.mask}: its ratio cannot change")
        mask.set_ratio(check_ratio(ratio))
