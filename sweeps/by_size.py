"""Accuracy of small, middle and big people, from the evidence that the cells' evaluations left: by_size.csv."""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..pose.crops.person import Person
from ..pose.evaluation.bootstrap import scores
from ..reports.analysis.parts import BY_SIZE, SIZE_COLUMNS, write_by_part
from .data import load_judged
from .plan import Plan
from .results import read_evidence
from .store import SweepStore
from .work import build_model

NAMES = ("small", "middle", "big")


class SizeThird(NamedTuple):
    """A third of the images by the size of their people: mean root of the areas in px, from and to. names: how its
    images may be called in evidence, by id or by file."""

    name: str
    low: float
    high: float
    images: int
    names: frozenset[str]


def write_by_size(store: SweepStore, plan: Plan) -> Path | None:
    """One line per cell and third of the images; None where no cell left evidence."""
    thirds: dict[str, list[SizeThird]] = {}
    lines = []
    for cell in plan.cells:
        if not cell.evaluates or cell.is_elastic or not store.is_done(cell.key):
            continue
        if cell.model.name not in thirds:
            spec = build_model(cell.model).spec
            thirds[cell.model.name] = size_thirds(load_judged(plan.data, spec).people)
        evidence = read_evidence(store, cell.key)
        if not evidence or not thirds[cell.model.name]:
            continue
        own = thirds[cell.model.name]
        chosen = [np.isin(evidence["images"].astype(str), list(third.names)) for third in own]
        for third, score in zip(own, scores(evidence, np.array(chosen, dtype=np.int64)), strict=True):
            if math.isfinite(score):
                ends = f"{third.low:.0f}", f"{third.high:.0f}"
                lines.append([cell.key, third.name, *ends, third.images, repr(float(score))])
    return write_by_part(store.root / BY_SIZE, SIZE_COLUMNS, lines)


def join_by_size(store: SweepStore, sources: Mapping[str, SweepStore]) -> Path | None:
    """The lines of cells that are taken from other sweeps, by key. What cannot be read is left out: it is derived."""
    lines = []
    for source in dict.fromkeys(sources.values()):
        with contextlib.suppress(OSError, ValueError, csv.Error), open(source.root / BY_SIZE, newline="") as file:
            lines += [row for row in csv.reader(file) if row and sources.get(row[0]) is source]
    return write_by_part(store.root / BY_SIZE, SIZE_COLUMNS, lines)


def size_thirds(people: Sequence[Person]) -> list[SizeThird]:
    """The images by the mean size of the people to be found in them; none where there are too few to part."""
    sizes: dict[tuple[str, str], list[float]] = {}
    for person in people:
        if person.labelled is not None and len(person.labelled):
            area = person.area or float(np.prod(person.scale * 200 / 1.25))
            sizes.setdefault((str(person.image_id), person.image_path.name), []).append(math.sqrt(area))
    ordered = sorted((float(np.mean(own)), names) for names, own in sizes.items())
    parts = np.array_split(np.arange(len(ordered)), len(NAMES))
    if len(ordered) < len(NAMES):
        return []
    thirds = []
    for name, part in zip(NAMES, parts, strict=True):
        names = frozenset(text for number in part for text in ordered[number][1])
        thirds.append(SizeThird(name, ordered[part[0]][0], ordered[part[-1]][0], len(part), names))
    return thirds
