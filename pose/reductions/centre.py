"""Control: the tokens nearest to the crop's middle, whatever it shows; people stand in the middle of their box."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import highest, keep


def centre(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Keep the tokens nearest to the middle, the same for all."""
    near = -squared_distance(context.grid, context.cell).to(tokens.device)
    return keep(tokens, highest(near[context.token_indices], left))


def squared_distance(grid: tuple[int, int], cell: tuple[int, int] = (1, 1)) -> torch.Tensor:
    """(N,) 4 times the squared distance of each cell's middle from the crop's, row-major over a grid (rows, columns).

    cell: its height and width in pixels, or in any whole unit. Whole numbers, so that equal distances are equal.
    """
    rows, columns = ((2 * torch.arange(count) + 1 - count) * side for count, side in zip(grid, cell, strict=True))
    return (rows[:, None].square() + columns.square()).flatten()
