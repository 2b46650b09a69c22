"""Patches to tokens."""

from __future__ import annotations

import torch
from torch import nn

from .shape import TransformerShape


class PatchEmbedding(nn.Module):
    """Cut (B, C, H, W) into patches and project each to a token: (B, N, dim), row-major.

    Inside a patch the order is row, column, channel.
    """

    def __init__(self, shape: TransformerShape):
        super().__init__()
        self.grid, self.patch = shape.grid, shape.patch
        self.projection = nn.Linear(shape.patch[0] * shape.patch[1] * shape.channels, shape.dim)

    def forward(self, features: torch.Tensor, token_indices: torch.Tensor | None = None) -> torch.Tensor:
        """Every token, or of each image those that token_indices (B, K) names."""
        batch, channels = features.shape[:2]
        (rows, columns), (height, width) = self.grid, self.patch
        cells = features.permute(0, 2, 3, 1).reshape(batch, rows, height, columns, width, channels).transpose(2, 3)
        if token_indices is not None:
            image = torch.arange(batch, device=features.device)[:, None]
            row = torch.div(token_indices, columns, rounding_mode="floor")
            return self.projection(cells[image, row, token_indices % columns].flatten(2))
        return self.projection(cells.reshape(batch, rows * columns, height * width * channels))
