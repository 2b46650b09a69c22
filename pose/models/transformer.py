"""The pose transformer: patch embedding, token mask, pre-norm blocks and heatmap head (TokenPose, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ..masks import MASKS, MaskInput, evaluation_noise, kept_tokens
from .positions import low_frequency_table, sine_table

POSITION_TYPES = ("sine-full", "sine", "learnable", "low-frequency")


@dataclass(frozen=True)
class TransformerShape:
    """Sizes of a pose transformer; (height, width) pairs throughout.

    grid: token grid; patch: feature cells per token; stacks x depth blocks; heatmap: size of one output map.
    attention_scale: "dim" or "head_dim", what the dot products are divided by the root of.
    head_hidden: width of the head's hidden layer, used where dim * stacks is at most half of it.
    """

    grid: tuple[int, int]
    patch: tuple[int, int]
    channels: int
    keypoints: int
    heatmap: tuple[int, int]
    dim: int = 192
    stacks: int = 1
    depth: int = 12
    heads: int = 8
    mlp_ratio: int = 3
    attention_scale: str = "head_dim"
    head_hidden: int = 384
    position_type: str = "sine-full"
    small_head: bool = False

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]


class PatchEmbedding(nn.Module):
    """Cut (B, C, H, W) into patches and project each to a token: (B, N, dim), row-major.

    Inside a patch the order is row, column, channel.
    """

    def __init__(self, shape: TransformerShape):
        super().__init__()
        self.grid, self.patch = shape.grid, shape.patch
        self.projection = nn.Linear(shape.patch[0] * shape.patch[1] * shape.channels, shape.dim)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        batch, channels = features.shape[:2]
        (rows, columns), (height, width) = self.grid, self.patch
        cells = features.reshape(batch, channels, rows, height, columns, width).permute(0, 2, 4, 3, 5, 1)
        return self.projection(cells.reshape(batch, rows * columns, height * width * channels))


class Attention(nn.Module):
    """Multi-head self-attention; queries, keys and values without bias, output with bias."""

    def __init__(self, shape: TransformerShape):
        super().__init__()
        self.heads = shape.heads
        head_dim = shape.dim // shape.heads
        self.scale = (shape.dim if shape.attention_scale == "dim" else head_dim) ** -0.5
        self.to_qkv = nn.Linear(shape.dim, 3 * shape.dim, bias=False)
        self.to_out = nn.Linear(shape.dim, shape.dim)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, n, dim) -> (B, heads, n, dim / heads)"""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (self.split(part) for part in self.to_qkv(x).chunk(3, dim=2))
        mixed = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        return self.to_out(mixed.transpose(1, 2).flatten(2))

    def weights_between(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Attention of normed queries (B, J, dim) over normed keys (B, N, dim), mean over the heads: (B, J, N)."""
        dim = queries.shape[2]
        q = self.split(F.linear(queries, self.to_qkv.weight[:dim]))
        k = self.split(F.linear(keys, self.to_qkv.weight[dim : 2 * dim]))
        return ((q * self.scale) @ k.transpose(2, 3)).softmax(dim=3).mean(dim=1)


class Block(nn.Module):
    """Pre-norm attention and pre-norm MLP (exact GELU), a residual around both."""

    def __init__(self, shape: TransformerShape):
        super().__init__()
        hidden = shape.dim * shape.mlp_ratio
        self.attention_norm = nn.LayerNorm(shape.dim)
        self.attention = Attention(shape)
        self.mlp_norm = nn.LayerNorm(shape.dim)
        self.mlp = nn.Sequential(nn.Linear(shape.dim, hidden), nn.GELU(), nn.Linear(hidden, shape.dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Head(nn.Module):
    """LayerNorm and Linear on the keypoint tokens, twice for narrow tokens, to heatmaps (B, J, h, w)."""

    def __init__(self, shape: TransformerShape):
        super().__init__()
        width, pixels = shape.dim * shape.stacks, shape.heatmap[0] * shape.heatmap[1]
        widths = [width, shape.head_hidden, pixels] if 2 * width <= shape.head_hidden else [width, pixels]
        layers: list[nn.Module] = []
        for i, o in zip(widths, widths[1:], strict=False):
            layers += [nn.LayerNorm(i), nn.Linear(i, o)]
        self.layers = nn.Sequential(*layers)
        self.heatmap = shape.heatmap
        if shape.small_head:
            nn.init.normal_(self.layers[-1].weight, std=1e-3)
            nn.init.zeros_(self.layers[-1].bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layers(tokens).unflatten(2, self.heatmap)


class TokenMask(nn.Module):
    """Chooses the kept tokens; everything that choosing costs happens inside, so that it is counted as its own part.

    `draw`: "sample" (each sample its own noise) or "batch" (one draw for the whole batch, as TMPose's code does).
    """

    def __init__(self, name: str, ratio: float, shape: TransformerShape, *, draw: str = "sample", seed: int = 0):
        super().__init__()
        self.name, self.ratio, self.draw, self.seed = name, ratio, draw, seed
        self.keep = kept_tokens(shape.tokens, ratio)
        self.linear = nn.Linear(shape.dim, 1) if name == "scorer" else None
        self.logits: torch.Tensor | None = None

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
                normed_keypoints = first_block.attention_norm(keypoint_tokens)
                return first_block.attention.weights_between(normed_keypoints, first_block.attention_norm(tokens))

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


class PoseTransformer(nn.Module):
    """Everything behind the backbone: features (B, C, H, W) -> heatmaps (B, J, h, w).

    `positions`: "gather" (each kept token keeps its own position) or "prefix" (the first K cells' positions go to the
    kept tokens, as in TMPose's code).
    """

    def __init__(
        self,
        shape: TransformerShape,
        *,
        mask: str = "none",
        mask_ratio: float = 0.0,
        positions: str = "gather",
        draw: str = "sample",
        seed: int = 0,
    ):
        super().__init__()
        self.shape, self.positions = shape, positions
        self.patch_embedding = PatchEmbedding(shape)
        self.keypoint_tokens = nn.Parameter(torch.empty(1, shape.keypoints, shape.dim))
        self.position_table = self._make_positions(shape)
        masked = mask != "none" and mask_ratio > 0
        self.mask = TokenMask(mask, mask_ratio, shape, draw=draw, seed=seed) if masked else None
        self.stacks = nn.ModuleList(
            nn.ModuleList(Block(shape) for _ in range(shape.depth)) for _ in range(shape.stacks)
        )
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
        return None if self.mask is None else self.mask.logits

    def forward(self, features: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        learnable = self.shape.position_type == "learnable"
        joints = self.shape.keypoints
        content = self.patch_embedding(features)
        keypoints = self.keypoint_tokens
        table = self.position_table
        if learnable:
            keypoints = keypoints + table[:, :joints]
            table = table[:, joints:]
        keypoints = keypoints.expand(len(content), -1, -1)
        visual, table = self._select(content, table, keypoints, sample_ids)

        again = self.shape.position_type in ("sine-full", "low-frequency")
        outputs = []
        x = torch.cat((keypoints, visual), dim=1)
        for stack in self.stacks:
            for i, block in enumerate(stack):
                if again and i > 0:
                    x = torch.cat((x[:, :joints], x[:, joints:] + table), dim=1)
                x = block(x)
            outputs.append(x[:, :joints])
        return self.head(torch.cat(outputs, dim=2))

    def kept_indices(self, features: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Which visual tokens stay, (B, K) indices into the row-major grid."""
        content = self.patch_embedding(features)
        keypoints, table = self.keypoint_tokens, self.position_table
        if self.shape.position_type == "learnable":
            keypoints, table = keypoints + table[:, : self.shape.keypoints], table[:, self.shape.keypoints :]
        return self._keep(content, table, keypoints.expand(len(content), -1, -1), sample_ids)

    def _keep(
        self, content: torch.Tensor, table: torch.Tensor, keypoints: torch.Tensor, sample_ids: torch.Tensor | None
    ) -> torch.Tensor:
        if self.mask is None:
            return torch.arange(content.shape[1], device=content.device).expand(len(content), -1)
        return self.mask(content + table, content, keypoints, self.stacks[0][0], sample_ids)

    def _select(
        self, content: torch.Tensor, table: torch.Tensor, keypoints: torch.Tensor, sample_ids: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The kept tokens with their positions added, (B, K, dim), and those positions for adding again."""
        if self.mask is None:
            return content + table, table
        kept = self._keep(content, table, keypoints, sample_ids)
        index = kept[:, :, None].expand(-1, -1, content.shape[2])
        if self.positions == "prefix":
            table = table[:, : kept.shape[1]]
        else:
            table = table.expand(len(content), -1, -1).gather(1, index)
        return content.gather(1, index) + table, table
