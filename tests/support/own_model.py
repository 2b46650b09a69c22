"""Networks as a user would bring them, without posebench's classes but for the mask that one of them takes."""

import torch
from torch import nn

from posebench.pose.reductions.context import Context


class Small(nn.Module):
    """Two convolutions to a quarter of the input."""

    def __init__(self, keypoints):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Conv2d(8, keypoints, 1)

    def forward(self, images):
        return self.head(self.stem(images))


def build(keypoints, input_size):
    return Small(keypoints)


class Masked(Small):
    """Tokens of 8 x 8 px, of which the mask leaves some; what it drops is zero on the map."""

    def __init__(self, keypoints, input_size, mask):
        super().__init__(keypoints)
        del self.head
        self.grid = input_size[0] // 8, input_size[1] // 8
        self.patches = nn.Conv2d(8, 16, 2, stride=2)
        self.mask = mask(self.grid, 16)
        self.to_maps = nn.Linear(16, 4 * keypoints)

    def forward(self, images, sample_ids=None):
        tokens = self.patches(self.stem(images)).flatten(2).transpose(1, 2)
        cells = torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        if self.mask is not None:
            look = lambda: tokens.detach().square().mean(dim=2)[:, None]  # noqa: E731
            tokens, selected = self.mask(tokens, Context(0, self.grid, cells, tokens, look), sample_ids)
            cells = cells if selected is None else selected.token_indices
        maps = self.to_maps(tokens)
        maps = maps.new_zeros(len(maps), self.grid[0] * self.grid[1], maps.shape[2]).scatter(
            1, cells[:, :, None].expand_as(maps), maps
        )
        return nn.functional.pixel_shuffle(maps.transpose(1, 2).unflatten(2, self.grid), 2)


def build_masked(keypoints, input_size, mask):
    return Masked(keypoints, input_size, mask)
