"""Fixed position tables over the token grid (row-major)."""

from __future__ import annotations

import math

import torch


def sine_table(grid: tuple[int, int], dim: int) -> torch.Tensor:
    """TokenPose's 2-D sine table (TokenPose, section 3.2): (1, gh * gw, dim), float32.

    The first dim/2 values encode the row, the last dim/2 the column. Coordinates run over (0, 2 pi]; value k of a
    half has frequency 10000 ** -(2 * floor(k / 2) / (dim / 2)), sine for even k and cosine for odd k.
    """
    rows, columns = grid
    half = dim // 2
    exponent = torch.div(torch.arange(half), 2, rounding_mode="floor") * 2 / half
    frequency = 10000.0**exponent
    y = (torch.arange(rows) + 1) / (rows + 1e-6) * 2 * math.pi
    x = (torch.arange(columns) + 1) / (columns + 1e-6) * 2 * math.pi

    def encode(coordinate: torch.Tensor) -> torch.Tensor:
        angle = coordinate[:, None] / frequency
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

    return _join(encode(y), encode(x))


def low_frequency_table(grid: tuple[int, int], dim: int, lowest: float = 0.5, highest: float = 3.0) -> torch.Tensor:
    """Sine table of log-spaced low frequencies, `lowest` to `highest` periods across the grid: (1, gh * gw, dim).

    A coarse grid (8 x 6) has no use for TokenPose's ladder down to 10000 grids per period: most of its values are
    constant there.
    """
    half = dim // 2
    count = half // 2
    frequency = torch.logspace(math.log10(lowest), math.log10(highest), count)

    def encode(cells: int) -> torch.Tensor:
        angle = (torch.arange(cells)[:, None] + 0.5) / cells * 2 * math.pi * frequency
        return torch.cat((angle.sin(), angle.cos()), dim=1)

    return _join(encode(grid[0]), encode(grid[1]))


def _join(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    rows, columns = len(y), len(x)
    table = torch.cat((y[:, None].expand(-1, columns, -1), x[None].expand(rows, -1, -1)), dim=2)
    return table.reshape(1, rows * columns, -1).to(torch.float32)
