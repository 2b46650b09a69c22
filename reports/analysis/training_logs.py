"""What the training of a sweep's models wrote down, epoch by epoch."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .results import LARGEST

#: a folder's logs by the key of the cell or base model: (epoch, mean loss) of each epoch
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class TrainingLogs:
    """The losses of cells, and of base models that they start from, by key."""

    cells: Mapping[str, Curve] = field(default_factory=dict)
    bases: Mapping[str, Curve] = field(default_factory=dict)


def read_training_logs(root: Path) -> TrainingLogs:
    """The logs of a sweep's folder; a cell that was not trained, or whose log is broken, has none."""
    cells, bases = (
        {file.parent.name: curve for file in sorted((root / kind).glob("*/log.csv")) if (curve := _read(file))}
        for kind in ("cells", "base")
    )
    return TrainingLogs(cells, bases)


def _read(file: Path) -> Curve:
    try:
        with open(file, encoding="utf-8", newline="") as lines:
            curve = [(int(row["epoch"]), float(row["loss"])) for row in csv.DictReader(lines)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []
    return curve if all(abs(loss) <= LARGEST for _, loss in curve) else []
