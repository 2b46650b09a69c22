"""ViTPose: a plain vision transformer and a light decoder (Xu et al., NeurIPS 2022, arXiv 2204.12484)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from ..reductions.schedule import Schedule
from ..reductions.tokens import restore
from .blocks import Block
from .config import ModelSpec
from .hrnet import NoBackbone
from .model import PoseModel
from .reducer import TokenReducer, schedule_of, through_block
from .shape import TransformerShape
from .token_state import TokenState

DECODERS = ("classic", "simple")
PATCH_PADDING = 2


class ImagePatches(nn.Module):
    """One convolution from images (B, 3, H, W) to tokens (B, N, dim), row-major.

    Windows start 2 px outside the image, so that its last two rows and columns are never read (as published).
    """

    def __init__(self, shape: TransformerShape):
        super().__init__()
        self.projection = nn.Conv2d(shape.channels, shape.dim, shape.patch, shape.patch, PATCH_PADDING)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.projection(images).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Images (B, 3, H, W) -> features (B, dim, rows, columns): patches, blocks with qkv bias, a last norm.

    mask: what lessens the tokens, before the first block or in the blocks. Afterwards the grid is dense again: a merged
    token stands in all of its cells, and the reduction's descriptor says what stands in a dropped one. There is no
    class token, but its row of the position table, the first, is added to all tokens.
    """

    def __init__(self, shape: TransformerShape, *, mask: TokenReducer | None = None):
        super().__init__()
        self.shape = shape
        self.patch_embedding = ImagePatches(shape)
        self.position_table = nn.Parameter(torch.empty(1, 1 + shape.tokens, shape.dim))
        self.mask = mask
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.dim, eps=shape.norm_eps)
        nn.init.trunc_normal_(self.position_table, std=0.02)

    @property
    def schedule(self) -> Schedule:
        """How many tokens (or connections) are left in which block."""
        return schedule_of(self.mask, self.shape)

    def run(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, TokenState]:
        """Features (B, dim, rows, columns), and what became of the tokens."""
        return self(images, sample_ids, with_state=True)

    def forward(
        self, images: torch.Tensor, sample_ids: torch.Tensor | None = None, *, with_state: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, TokenState]:
        x, state = self._enter(images, sample_ids)
        for number, block in enumerate(self.blocks):
            x, state = through_block(block, x, state, self.mask, number, sample_ids)
        x = self.norm(x)
        if x.shape[1] < self.shape.tokens:
            nothing = x.new_zeros(1, self.shape.tokens, 1)
            x = restore(x, state, nothing if state.values is None else self.norm(state.values))
        features = x.transpose(1, 2).unflatten(2, self.shape.grid)
        return (features, state) if with_state else features

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """All tokens (B, N, dim) with their positions."""
        return self.patch_embedding(images) + self._positions()

    def kept_indices(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Grid cells (row-major) of the tokens that are left at the end, (B, K); a merged token has one."""
        state = self.run(images, sample_ids)[1] if self.schedule.reduces else self._enter(images, sample_ids)[1]
        return state.token_indices

    def _positions(self) -> torch.Tensor:
        return self.position_table[:, 1:] + self.position_table[:, :1]

    def _enter(self, images: torch.Tensor, sample_ids: torch.Tensor | None) -> tuple[torch.Tensor, TokenState]:
        """What the first block gets, (B, K, dim)."""
        content = self.patch_embedding(images)
        tokens = content + self._positions()
        cells = torch.arange(self.shape.tokens, device=tokens.device).expand(tokens.shape[0], -1)
        values = tokens if self.mask is not None and self.mask.leaves_values else None
        # Positions are added once: what reductions carry along of them is nothing, d = 0.
        state = TokenState(0, tokens.new_zeros(1, self.shape.tokens, 0), cells, values=values)
        if self.mask is not None and self.mask.acts_before:
            return self.mask.before_blocks(tokens, content, tokens[:, :0], self.blocks[0], state, sample_ids)
        return tokens, state


class Decoder(nn.Module):
    """Features (B, dim, rows, columns) -> heatmaps (B, J, 4 rows, 4 columns).

    "classic": two transposed convolutions (4x4, stride 2) with batch norm and ReLU, then 1x1. "simple": ReLU, bilinear
    times four, 3x3 (section 3.1).
    """

    def __init__(self, kind: str, dim: int, keypoints: int, channels: int = 256):
        super().__init__()
        if kind == "classic":
            self.upsampling = nn.Sequential(*_twice(dim, channels), *_twice(channels, channels))
            self.final = nn.Conv2d(channels, keypoints, 1)
        else:
            self.upsampling = nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=4, mode="bilinear"))
            self.final = nn.Conv2d(dim, keypoints, 3, padding=1)
        nn.init.normal_(self.final.weight, std=1e-3)
        nn.init.zeros_(self.final.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.final(self.upsampling(features))


def _twice(channels_in: int, channels_out: int) -> list[nn.Module]:
    deconvolution = nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1, bias=False)
    return [deconvolution, nn.BatchNorm2d(channels_out), nn.ReLU()]


class ViTPose(PoseModel):
    """A vision transformer and a decoder: images (B, 3, H, W) -> heatmaps (B, J, H / 4, W / 4).

    `transformer`, the scope of GFLOPsT, is the patch embedding, the blocks and the way back to the dense grid; the
    decoder is a part of its own.
    """

    parts: ClassVar[dict[str, str]] = {
        "backbone": "backbone",
        "patch_embedding": "transformer.patch_embedding",
        "mask_scoring": "transformer.mask",
        "blocks": "transformer.blocks",
        "decoder": "decoder",
    }

    def __init__(self, spec: ModelSpec, transformer: VisionTransformer, decoder: Decoder):
        super().__init__(spec, NoBackbone(), transformer)
        self.decoder = decoder

    def forward(
        self, images: torch.Tensor, sample_ids: torch.Tensor | None = None, *, with_state: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, TokenState]:
        features, state = super().forward(images, sample_ids, with_state=True)
        return (self.decoder(features), state) if with_state else self.decoder(features)
