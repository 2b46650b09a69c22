"""What is compared with what: rows that share all conditions, their unmasked baseline, and the savings against it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..pose.metrics import METRICS, Metric
from ..row import PartTiming, Score, part_of
from .grouping import SUBJECT_KEYS, SeriesNames, grouped, is_elastic, label_of, metric_of
from .results import Spread, is_failed, is_missing, once_per_cell, records_of, spread, to_frame

_RUN = (*(metric.column for metric in METRICS), "latency_ms_median", "latency_transformer_ms_median")
_COUNTED = ("gflops_t", "gflops")


@dataclass(frozen=True)
class Timing:
    """Measurements at one batch size; milliseconds per forward pass, MiB. Interquartile ranges are means over seeds."""

    latency: Spread | None
    iqr: float | None
    unstable: bool
    transformer: Spread | None
    transformer_iqr: float | None
    transformer_unstable: bool
    memory: Spread | None


@dataclass(frozen=True)
class Point:
    """One mask at one ratio, over its seeds. `ci` and `difference` are the widest intervals over the seeds.

    `ratio`: what is gone after the last block; `mean_ratio`: the mean over the blocks, less where tokens go inside
    the network. `gflops_t` counts what is executed, `gflops_t_needed` (1e9 MAC; models that cut connections) leaves
    out products that a 0-1 mask sets to zero.
    """

    mask: str
    ratio: float
    seeds: int
    tokens_kept: int | None
    tokens_total: int | None
    accuracy: Spread | None
    ci: tuple[float, float] | None
    difference: tuple[float, float, float] | None
    gflops: float | None
    gflops_t: float | None
    published_gflops: float | None
    published_gflops_t: float | None
    mean_ratio: float | None = None
    gflops_t_needed: float | None = None
    execution: str | None = None
    timings: Mapping[int, Timing] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """One model under one set of conditions: its unmasked baseline and, per mask, its points by rising ratio."""

    label: str
    keys: Mapping[str, Any]
    metric: Metric
    baseline: Point | None
    series: Mapping[str, Sequence[Point]]

    @property
    def points(self) -> list[Point]:
        """All masked points, mask by mask."""
        return [point for points in self.series.values() for point in points]

    @property
    def batch_sizes(self) -> list[int]:
        """Batch sizes at which anything was timed, rising."""
        every = [*self.points, *([self.baseline] if self.baseline else [])]
        return sorted({size for point in every for size in point.timings})


def compare(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[Subject]:
    """Group rows into subjects, in order of appearance; rows without a measurement are left out.

    Of a failed cell whatever was measured before it failed is kept; counts alone are not. Rows of a model that was
    trained at another ratio than it was evaluated at are no points: a mask's series is trained as evaluated.
    The baseline is the row set with mask "none" or ratio 0. Masked rows with another handling of positions, or
    another execution of cut connections, are series of their own ("random, prefix"; "sparse, gather").
    """
    measured = [row for row in records_of(to_frame(rows)) if has_measurement(row)]
    name_of = SeriesNames(measured)
    records = [row for row in measured if not is_elastic(row)]
    models: dict[Any, list[dict[str, Any]]] = {}
    for row in records:
        models.setdefault(row["model"], []).append(row)
    subjects = []
    for key, members in grouped(records).items():
        keys = dict(zip(SUBJECT_KEYS, key, strict=True))
        metric = metric_of(keys["dataset"], members)
        cells: dict[tuple[str, float], list[dict[str, Any]]] = {}
        for row in members:
            cells.setdefault((name_of(row), row["mask_ratio"] or 0.0), []).append(row)
        points = [_point(name, ratio, found, metric) for (name, ratio), found in cells.items()]
        masks = dict.fromkeys(point.mask for point in points if point.mask != "none")
        series = {mask: sorted((p for p in points if p.mask == mask), key=lambda p: p.ratio) for mask in masks}
        baseline = next((point for point in points if point.mask == "none" and point.ratio == 0), None)
        subjects.append(Subject(label_of(keys, models[keys["model"]]), keys, metric, baseline, series))
    return subjects


def saving(value: float | None, base: float | None) -> float | None:
    """The fraction of `base` that `value` saves: 0.4 when 60 is left of 100, negative when it costs more."""
    if is_missing(value) or is_missing(base) or base <= 0:
        return None
    return 1.0 - value / base


def mean_of(found: Spread | None) -> float | None:
    """The mean, or None where nothing was measured."""
    return found.mean if found else None


def has_measurement(row: Mapping[str, Any]) -> bool:
    """Whether the row has anything to compare: a result, or, unless its cell failed, a count."""
    wanted = _RUN if is_failed(row) else (*_RUN, *_COUNTED)
    return not all(is_missing(row[name]) for name in wanted)


def _point(mask: str, ratio: float, rows: Sequence[dict[str, Any]], metric: Metric) -> Point:
    cells = once_per_cell(rows)
    column = _column_of(cells)
    scores: list[Score] = [part_of(row, metric.column) for row in cells]
    differences = [(score.diff, score.diff_low, score.diff_high) for score in scores if not is_missing(score.diff)]
    difference = None
    # An interval counts only if each seed has one: the widest of some seeds would claim too much.
    if differences and not any(map(is_missing, (end for ends in differences for end in ends))):
        middles, lows, highs = zip(*differences, strict=True)
        difference = (statistics.fmean(middles), min(lows), max(highs))
    sizes = dict.fromkeys(row["batch_size"] for row in rows if not is_missing(row["batch_size"]))
    timings = {int(size): _timing([row for row in rows if row["batch_size"] == size]) for size in sizes}
    return Point(
        mask=mask,
        ratio=float(ratio),
        seeds=len({row["seed"] for row in cells}),
        tokens_kept=_first(column("tokens_kept")),
        tokens_total=_first(column("tokens_total")),
        accuracy=spread(score.value for score in scores),
        ci=_widest((score.ci_low, score.ci_high) for score in scores),
        difference=difference,
        gflops=mean_of(spread(column("gflops"))),
        gflops_t=mean_of(spread(column("gflops_t"))),
        published_gflops=mean_of(spread(column("published_gflops"))),
        published_gflops_t=mean_of(spread(column("published_gflops_t"))),
        mean_ratio=mean_of(spread(column("mask_ratio_mean"))),
        gflops_t_needed=mean_of(spread(column("gflops_t_needed"))),
        execution=next(iter(column("execution")), None),
        timings={
            size: timing for size, timing in timings.items() if any((timing.latency, timing.transformer, timing.memory))
        },
    )


def _timing(rows: Sequence[Mapping[str, Any]]) -> Timing:
    whole: list[PartTiming] = [part_of(row, "latency") for row in rows]
    transformer: list[PartTiming] = [part_of(row, "latency_transformer") for row in rows]
    return Timing(
        latency=spread(part.ms_median for part in whole),
        iqr=mean_of(spread(part.ms_iqr for part in whole)),
        unstable=any(part.unstable for part in whole),
        transformer=spread(part.ms_median for part in transformer),
        transformer_iqr=mean_of(spread(part.ms_iqr for part in transformer)),
        transformer_unstable=any(part.unstable for part in transformer),
        memory=spread(row["peak_memory_mib"] for row in rows),
    )


def _widest(intervals: Iterable[tuple[float | None, float | None]]) -> tuple[float, float] | None:
    """The lowest and the highest of the ends that are there; None without both."""
    lows, highs = ([end for end in ends if not is_missing(end)] for ends in zip(*intervals, strict=True))
    return (min(lows), max(highs)) if lows and highs else None


def _column_of(rows: Sequence[Mapping[str, Any]]):
    return lambda name: [row[name] for row in rows if not is_missing(row.get(name))]


def _first(values: Iterable[Any]) -> int | None:
    return next((int(value) for value in values), None)
