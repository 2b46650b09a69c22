"""by_size.csv: a cell's accuracy over the third of the images whose people are small, middle and big."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...pose.errors import InputError

FILE_NAME = "by_size.csv"
COLUMNS = ("cell", "size", "from_px", "to_px", "images", "score")


@dataclass(frozen=True)
class BySize:
    """scores: by cell, then by size; sizes: each with its range of the people's roots of area, px."""

    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=dict)


def read_by_size(path: Path) -> BySize:
    """Nothing where there is no file; InputError for a broken one."""
    scores: dict[str, dict[str, float]] = {}
    sizes: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                scores.setdefault(row["cell"], {})[row["size"]] = float(row["score"])
                sizes[row["size"]] = f"{int(row['from_px'])} to {int(row['to_px'])} px"
    except FileNotFoundError:
        return BySize()
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(f"{path}: does not hold what a sweep writes ({error})") from None
    return BySize(scores, sizes)
