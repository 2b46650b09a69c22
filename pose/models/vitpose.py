"""ViTPose: a plain vision transformer and a light decoder (Xu et al., NeurIPS 2022, arXiv 2204.12484)."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import nn

from ..reductions.restore import restore, token_holders
from ..reductions.schedule import Schedule
from ..reductions.state import Attended, TokenState, pick
from .blocks import Block
from .hrnet import NoBackbone
from .model import ModelSpec, PoseModel
from .selection import TokenMask, TokenReduction
from .shape import TransformerShape

DECODERS = ("classic", "simple")
PATCH_PADDING = 2
#: what the decoder finds in a cell whose token was dropped: what the token was when it was dropped, or nothing
DROPPED = ("last", "zero")


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

    mask: what chooses tokens, before the first block (TokenMask) or between the blocks (TokenReduction). Afterwards the
    grid is dense again: a merged token stands in all of its cells, and `dropped` (of `DROPPED`) says what stands in a
    dropped one. There is no class token, but its row of the position table, the first, is added to all tokens.
    """

    def __init__(
        self, shape: TransformerShape, *, mask: TokenMask | TokenReduction | None = None, dropped: str = "last"
    ):
        super().__init__()
        self.shape, self.dropped = shape, dropped
        self.patch_embedding = ImagePatches(shape)
        self.position_table = nn.Parameter(torch.empty(1, 1 + shape.tokens, shape.dim))
        self.mask = mask
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.dim, eps=shape.norm_eps)
        nn.init.trunc_normal_(self.position_table, std=0.02)

    @property
    def last_scorer_logits(self) -> torch.Tensor | None:
        """Logits (B, N) of the scorer mask in the last forward pass; None for other masks."""
        return getattr(self.mask, "logits", None)

    @property
    def schedule(self) -> Schedule:
        """How many tokens (or connections) are left in which block."""
        if isinstance(self.mask, TokenReduction) and self.mask.schedule.reduces:
            return self.mask.schedule
        kept = self.mask.keep if isinstance(self.mask, TokenMask) else self.shape.tokens
        return Schedule(kept, self.shape.blocks, ())

    def forward(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        return self.run(images, sample_ids)[0]

    def run(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, TokenState]:
        """Features (B, dim, rows, columns), and what became of the tokens."""
        embedded = self.embed(images)
        x, state = self._enter(embedded, sample_ids)
        before_drop = embedded
        reduction = self.mask if isinstance(self.mask, TokenReduction) else None
        gather = reduction is not None and reduction.execution == "gather"

        def reduce(x: torch.Tensor, state: TokenState, seen: Attended, block: int) -> tuple[torch.Tensor, TokenState]:
            nonlocal before_drop
            after, left = reduction(x, state, seen, block)
            if left.holder is None and after.shape[1] < x.shape[1] and self.dropped == "last":
                before_drop = before_drop.scatter(1, state.cells[:, :, None].expand_as(x), x)
            return after, left

        for number, block in enumerate(self.blocks):
            acts = reduction is not None and reduction.acts_in(number)
            here = partial(reduce, block=number) if acts else None
            x, state = block.reduced(x, state, here, show=acts and reduction.needs_weights, gather=gather)
        x = self.norm(x)
        if x.shape[1] < self.shape.tokens:
            fill = self.norm(before_drop) if state.holder is None and self.dropped == "last" else None
            x = restore(x, token_holders(state, self.shape.tokens), fill)
        return x.transpose(1, 2).unflatten(2, self.shape.grid), state

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """All tokens (B, N, dim) with their positions."""
        return self.patch_embedding(images) + self._positions()

    def kept_indices(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Grid cells (row-major) of the tokens that are left at the end, (B, K); a merged token has one."""
        if isinstance(self.mask, TokenReduction):
            return self.run(images, sample_ids)[1].cells
        return self._enter(self.embed(images), sample_ids)[1].cells

    def _positions(self) -> torch.Tensor:
        return self.position_table[:, 1:] + self.position_table[:, :1]

    def _enter(self, embedded: torch.Tensor, sample_ids: torch.Tensor | None) -> tuple[torch.Tensor, TokenState]:
        """What the first block gets, (B, K, dim), of all embedded tokens."""
        batch = len(embedded)
        cells = torch.arange(self.shape.tokens, device=embedded.device).expand(batch, -1)
        if isinstance(self.mask, TokenMask) and self.mask.ratio > 0:
            nobody = embedded[:, :0]  # no keypoint tokens
            cells = self.mask(embedded, embedded - self._positions(), nobody, self.blocks[0], sample_ids)
            embedded = pick(embedded, cells)
        # Positions are added once: what reductions carry along of them is nothing, d = 0.
        return embedded, TokenState(joints=0, positions=embedded.new_zeros(1, cells.shape[1], 0), cells=cells)


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

    def forward(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        return self.decoder(super().forward(images, sample_ids))
