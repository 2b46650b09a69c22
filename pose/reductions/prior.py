"""Control: the tokens where the joints of the training people mostly are, the same for every image."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from .centre import nearness
from .context import Context, Selected
from .groups import places
from .tokens import keep, ranked


class JointMap(nn.Module):
    """counts: (N,) how many joints of the training people lay in each cell of a grid (rows, columns)."""

    def __init__(self, grid: tuple[int, int]):
        super().__init__()
        self.grid = grid
        self.register_buffer("counts", torch.zeros(grid[0] * grid[1]))

    @torch.no_grad()
    def add(self, target: torch.Tensor) -> torch.Tensor:
        """Count the joints of target heatmaps (B, J, h, w), each at its maximum; joints without a target have none.

        Returns 0: there is no loss to learn by.
        """
        height, width = target.shape[2:]
        value, index = target.flatten(2).max(dim=2)
        row, column = index // width * self.grid[0] // height, index % width * self.grid[1] // width
        here = (row * self.grid[1] + column)[:, :, None] == torch.arange(self.counts.shape[0], device=target.device)
        self.counts += (here & (value > 0)[:, :, None]).sum(dim=(0, 1))
        return target.new_zeros(())


def modules(width: int, grid: tuple[int, int]) -> dict[str, nn.Module]:
    """The map of joints, empty until training fills it."""
    return {"joints": JointMap(grid)}


def gather(modules: Mapping[str, nn.Module], target: torch.Tensor) -> None:
    """Fill the map from targets of training people, as training does on its way."""
    modules["joints"].add(target)


def prior(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Keep the tokens in whose cells most joints were. Of equal ones the nearest to the middle goes first, and then the
    lower index; so before any training these are those of `centre`."""
    joints = context.modules["joints"]
    total = tokens.shape[1]
    near = ranked(nearness(context.grid, context.cell, tokens.device)[None], total)
    # No two are equal, as not every runtime breaks ties alike.
    scores = joints.counts.long()[near] * total - torch.arange(total, device=tokens.device)
    index = near.gather(1, ranked(scores, left)).sort(dim=1).values
    batch = tokens.shape[0]
    judged = scores.gather(1, places(near, total)).expand(batch, -1)
    return keep(tokens, index.expand(batch, -1), scores=judged, losses={"prior": joints.add})
