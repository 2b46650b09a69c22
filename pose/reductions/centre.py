"""Control: the tokens nearest to the crop's middle, whatever it shows; people stand in the middle of their box."""

from __future__ import annotations

import torch

from .context import Context, Selected
from .tokens import keep_highest


def centre(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Keep the tokens nearest to the middle, the same for all."""
    near = nearness(context.grid, context.cell, tokens.device)
    return keep_highest(tokens, near[context.token_indices], left)


def nearness(
    grid: tuple[int, int], cell: tuple[int, int] = (1, 1), device: torch.device | None = None
) -> torch.Tensor:
    """(N,) the higher the nearer a cell's middle is to the crop's, row-major over a grid (rows, columns); no two are
    equal, since of two as near the lower index counts as nearer.

    cell: its height and width in pixels, or in any whole unit.
    """
    rows, columns = (
        (2 * torch.arange(count, device=device) + 1 - count) * side for count, side in zip(grid, cell, strict=True)
    )
    distance = (rows[:, None].square() + columns.square()).flatten()  # whole numbers, so that equal ones are equal
    return -(distance * len(distance) + torch.arange(len(distance), device=device))
