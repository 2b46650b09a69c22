"""Which tokens a cell's model keeps of some of the people that it was judged by: tokens.npz in the cell's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..pose.crops.person import DataSplit
from ..pose.errors import InputError
from ..pose.evaluation.choices import MOST, Choices, read_choices, some_of
from ..pose.files import atomic_path
from ..pose.models.model import PoseModel
from ..pose.reductions import CUT, find_reduction
from .config import CellConfig

FILE = "tokens.npz"


def chooses(cell: CellConfig) -> bool:
    """Whether a cell's model keeps some of the tokens, so that which can be asked. Elastic cells are not asked."""
    own = cell.evaluates and not cell.is_baseline and not cell.is_elastic
    return own and find_reduction(cell.model.reduction.name).kind != CUT


def write_choices(
    folder: Path, model: PoseModel, data: DataSplit, *, device: str, batch_size: int, people: int = MOST
) -> None:
    """Run the trained model of a cell on so many of the people, and keep what it kept."""
    found = read_choices(model, some_of(data.people, people), device=device, batch_size=batch_size)
    bits = {name: np.packbits(getattr(found, name), axis=1) for name in ("kept", "alone")}
    maybe = {"ranks": found.ranks, "lengths": found.lengths}
    small = {name: values.astype(np.uint16) for name, values in maybe.items() if values is not None}
    joints = found.joints.astype(np.int16)
    with atomic_path(folder / FILE) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, people=found.people, grid=np.array(found.grid), joints=joints, **bits, **small)


def stored_choices(folder: Path) -> Choices | None:
    """What the model of a cell keeps; None where nobody asked. InputError for a broken file."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values = dict(arrays)
        grid = tuple(map(int, values.pop("grid")))
        total = grid[0] * grid[1]
        for name in ("kept", "alone"):
            values[name] = np.unpackbits(values[name], axis=1, count=total).astype(bool)
        return Choices(grid=grid, **values)
    except Exception as error:  # numpy and zipfile raise many kinds for a broken file
        raise InputError(f"{path}: cannot be read ({error}); delete it, and run posebench agree") from None
