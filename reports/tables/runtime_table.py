"""Reductions x runtimes: what each configuration takes and saves in each of the runtimes that were timed."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.results import is_missing
from ..analysis.subject import PartLatency, Point, Subject
from ..analysis.timed import Place, place_of
from ..analysis.verdicts import measured_saving, saving_words, silence
from .layout import Cell, Grid, Head, Line

#: what may differ between the subjects of one table
_OWN = ("runtime", "dtype")


def runtime_tables(subjects: Sequence[Subject]) -> list[Grid]:
    """A table per model and batch size where several runtimes or precisions were timed in one place: one line per
    configuration."""
    groups: dict[tuple, list[Subject]] = {}
    for subject in subjects:
        same = tuple(value for name, value in subject.keys.items() if name not in _OWN)
        groups.setdefault((*same, _place(subject)), []).append(subject)
    tables = []
    for members in groups.values():
        for size in sorted({size for subject in members for size in subject.batch_sizes}):
            timed = [subject for subject in members if _base(subject, size)]
            if len(timed) > 1:
                tables.append(_table(timed, size))
    return tables


def _place(subject: Subject) -> Place | None:
    rows = (row for point in (subject.baseline, *subject.points) if point for row in point.cells)
    timed = (row for row in rows if not is_missing(row.get("latency_ms_median")) and subject.times.counts(row))
    return next(map(place_of, timed), None)


def _base(subject: Subject, size: int) -> PartLatency | None:
    timing = subject.baseline.timings.get(size) if subject.baseline else None
    return timing.whole if timing else None


def _table(subjects: Sequence[Subject], size: int) -> Grid:
    heads = [Head("mask, ratio", numeric=False)]
    heads += [Head(" ".join(str(s.keys[name]) for name in _OWN if s.keys[name]), "ms, median") for s in subjects]
    found = [{(point.mask, point.ratio): point for point in (s.baseline, *s.points)} for s in subjects]
    rows = []
    for place in dict.fromkeys(place for points in found for place in points):
        cells = [Cell("unmasked" if place[1] == 0 else f"{place[0]} {place[1]:g}", kind="")]
        cells += [_cell(s, points.get(place), size) for s, points in zip(subjects, found, strict=True)]
        rows.append(Line(cells, "baseline" if place[1] == 0 else ""))
    keys = subjects[0].keys
    where = ", ".join(str(value) for value in (keys["model"], f"batch size {size}", keys["device"]) if value)
    return Grid(f"{where}: whole model, and what it saves against the unmasked one in the same runtime", heads, rows)


def _cell(subject: Subject, point: Point | None, size: int) -> Cell:
    timing = point.timings.get(size) if point else None
    if not timing or not timing.whole:
        return Cell("")
    text = f"{timing.whole.median.mean:.2f}"
    if point is subject.baseline:
        return Cell(text, "unstable" if timing.whole.unstable else "")
    saved = measured_saving(timing.whole, _base(subject, size))
    return Cell(text, saving_words(saved) if saved else silence(timing.whole, _base(subject, size)))
