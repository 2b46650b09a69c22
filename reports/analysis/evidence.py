"""What the evaluations of a sweep's cells left for comparisons over the same people, found from rows of results.csv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...pose.evaluation.bootstrap import Evidence, draw_images, load_evidence, same_metric, scores
from .results import is_missing

#: as in the evaluation of each cell
SEED = 0
#: of which the share of a Pareto front is told; 400 tell it to within 0.05
DRAWS = 400


class EvidenceFiles:
    """The evidence of rows, from the sweeps' folders that they come from; each file is read, and drawn from, once.

    A folder with a results.csv alone has none. Of a cell that was evaluated in several precisions it is float32's.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._found: dict[str, Evidence | None] = {}
        self._drawn: dict[str, np.ndarray] = {}
        self._draws: dict[int, np.ndarray] = {}

    def of(self, row: Mapping[str, Any]) -> Evidence | None:
        """None where there is none, or nothing was scored; InputError naming a broken file."""
        cell = row.get("cell")
        if is_missing(cell) or row.get("dtype") not in (None, "float32") or not str(cell).isalnum():
            return None
        if cell not in self._found:
            files = [folder / "cells" / cell / "evidence.npz" for folder in self._folders]
            self._found[cell] = next((load_evidence(file) for file in files if file.is_file()), None)
        return self._found[cell] or None

    def drawn(self, row: Mapping[str, Any]) -> np.ndarray | None:
        """(R,) scores in R draws of people, the same draws for all rows of the same people."""
        evidence = self.of(row)
        if evidence is None:
            return None
        if row["cell"] not in self._drawn:
            images = len(evidence["images"])
            if images not in self._draws:
                self._draws[images] = draw_images(images, DRAWS, SEED)
            self._drawn[row["cell"]] = scores(evidence, self._draws[images])
        return self._drawn[row["cell"]]


def same_people(one: Evidence | None, other: Evidence | None) -> bool:
    """Whether both are there, of the same images and of one metric."""
    if one is None or other is None or not same_metric(one, other):
        return False
    return bool(np.array_equal(one["images"], other["images"]))
