"""Which tokens a model keeps of people: where they stand, what they were judged by, and where the joints are.

A cell counts as kept where one of the tokens that are left after the last block stands: a token that was not dropped,
or, of a reduction that merges, the token that holds its group, at the cell it had before. So everything that leaves K
tokens keeps K cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..crops.affine import apply_affine, crop_matrix
from ..crops.dataset import PoseDataset
from ..crops.person import Person
from ..models.config import ModelSpec
from ..models.model import PoseModel
from ..models.token_state import TokenState
from ..models.vitpose import PATCH_PADDING
from ..reductions.schedule import Schedule
from .inference import evaluating

MOST = 256  # people


@dataclass(frozen=True)
class Choices:
    """Of n people on a grid of N cells, row-major.

    people: (n,) their ids. kept: (n, N) whether a token stands there after the last block; alone: (n, N) whether that
    token stands for no other cell. joints: (n, J) the cell of each annotated joint, -1 for one that is not annotated or
    outside the crop. ranks: (n, N) twice the rank of each cell's score where the reduction first acts, ties shared;
    None for a reduction without scores. lengths: (n, steps) how many tokens each step left of an image; None unless
    that differs between images.
    """

    people: np.ndarray
    grid: tuple[int, int]
    kept: np.ndarray
    alone: np.ndarray
    joints: np.ndarray
    ranks: np.ndarray | None = None
    lengths: np.ndarray | None = None


def some_of(people: Sequence[Person], most: int = MOST) -> list[Person]:
    """At most so many of the people, evenly taken."""
    return [people[i] for i in np.linspace(0, len(people) - 1, min(most, len(people))).astype(int)]


def read_choices(
    model: PoseModel, people: Sequence[Person], *, device: str | torch.device = "cpu", batch_size: int = 32
) -> Choices:
    """Run a model, whose reduction takes tokens away, on people as it is evaluated, but not mirrored."""
    spec = model.spec
    sizes = spec.input_size, spec.heatmap_size, spec.sigma
    data = PoseDataset(people, spec.skeleton, *sizes, convention=spec.convention)
    parts: dict[str, list[np.ndarray]] = {"kept": [], "alone": [], "ranks": [], "lengths": []}
    with evaluating(model, device):
        for start in range(0, len(data), batch_size):
            items = [data[index] for index in range(start, min(start + batch_size, len(data)))]
            images = torch.stack([item["image"] for item in items]).to(device)
            ids = torch.tensor([item["person_id"] for item in items], device=device)
            found = _of_batch(model.run(images, ids)[1], spec.tokens_total, model.transformer.schedule)
            for name, values in found.items():
                parts[name].append(values)
    whole = {name: np.concatenate(values) for name, values in parts.items() if values}
    ids = np.array([person.person_id for person in people])
    return Choices(ids, tuple(spec.grid), joints=joint_cells(people, spec), **whole)


def _of_batch(state: TokenState, total: int, schedule: Schedule) -> dict[str, np.ndarray]:
    from scipy.stats import rankdata

    valid = torch.ones_like(state.token_indices, dtype=torch.bool) if state.valid is None else state.valid
    none = torch.zeros(len(valid), total, dtype=torch.long, device=valid.device)
    kept = none.scatter_add(1, state.token_indices, valid.long()) > 0
    holders = state.holders(total)
    held, place = (holders >= 0).long(), holders.clamp(min=0)
    sizes = none.scatter_add(1, place, held).gather(1, place)
    found = {"kept": kept.cpu().numpy(), "alone": (kept & (sizes == 1)).cpu().numpy()}
    if state.selected and (scores := state.selected[0].scores) is not None:
        found["ranks"] = (2 * rankdata(scores.cpu().numpy(), axis=1)).astype(np.int64)
    if any(selected.valid is not None for selected in state.selected):
        found["lengths"] = _lengths(state, total, schedule).numpy()
    return found


def _lengths(state: TokenState, total: int, schedule: Schedule) -> torch.Tensor:
    """(B, steps) tokens of each image after each step of the schedule, or after the only one before the first block."""
    selected, now = iter(state.selected), torch.full((len(state.token_indices),), total)
    before, lengths = total, []
    for left in [left for _, left in schedule.steps] or [schedule.total]:
        if left != before:  # else nothing was to go, and nothing was asked
            one = next(selected)
            now = one.valid.sum(dim=1).cpu() if one.valid is not None else torch.full_like(now, left)
        before = left
        lengths.append(now)
    return torch.stack(lengths, dim=1)


def joint_cells(people: Sequence[Person], spec: ModelSpec) -> np.ndarray:
    """(n, J) the grid cell that each annotated joint lies in, row-major; -1 outside the crop, or without annotation."""
    cells = np.full((len(people), spec.num_keypoints), -1)
    height, width = spec.input_size
    rows, columns = spec.grid
    shift = PATCH_PADDING if spec.decoder else 0  # ViTPose's windows begin outside the image
    for number, person in enumerate(people):
        if person.keypoints is None or person.visible is None:
            continue
        matrix = crop_matrix(person.center, person.scale, 0, (width, height), convention=spec.convention)
        x, y = (apply_affine(person.keypoints, matrix) + 0.5).T  # pixel centres lie at integers
        inside = (person.visible > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        row = np.clip((y + shift) * rows // height, 0, rows - 1)
        column = np.clip((x + shift) * columns // width, 0, columns - 1)
        cells[number] = np.where(inside, row * columns + column, -1)
    return cells
