"""Keypoint tokens to heatmaps."""

from __future__ import annotations

import torch
from torch import nn

from .shape import TransformerShape


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
