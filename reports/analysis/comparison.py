"""What is compared with what: rows that share all conditions, their unmasked baseline, and the savings against it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ...pose.metrics import METRICS, Metric
from ...pose.reductions import NONE
from ...row import PartTiming, Score, part_of
from .grouping import SUBJECT_KEYS, SeriesNames, grouped, is_elastic, label_of, metric_of
from .intervals import Estimate, SeedSpread, over_seeds
from .margin import MARGIN, check_margin
from .results import Spread, is_failed, is_missing, once_per_cell, records_of, spread, to_frame
from .subject import Over, PartLatency, Point, Subject, Timing, mean_of
from .timed import Times, times_of

_RUN = (*(metric.column for metric in METRICS), "latency_ms_median", "latency_transformer_ms_median")
_COUNTED = ("gflops_t", "gflops")
_PADDED = ("padded_tokens", "padded_gflops_t", "padded_ms")


def compare(rows: pd.DataFrame | Sequence[Mapping[str, Any]], margin: float | None = None) -> list[Subject]:
    """Group rows into subjects, in order of appearance; rows without a measurement are left out.

    margin: the loss that counts as negligible; None takes the one recorded in the rows (the strictest), else MARGIN.

    Of a failed cell whatever was measured before it failed is kept; counts alone are not. Rows of a model that was
    trained at another ratio than it was evaluated at are no points: a mask's series is trained as evaluated.
    The baseline is the row set without a mask or with ratio 0. Masked rows with another handling of positions, or
    another execution of cut connections, are series of their own ("name, prefix"; "name, gather").
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
        times = times_of(members)
        points = _points(cells, metric, times)
        masks = dict.fromkeys(point.mask for point in points if point.mask != NONE)
        series = {mask: sorted((p for p in points if p.mask == mask), key=lambda p: p.ratio) for mask in masks}
        baseline = next((point for point in points if point.mask == NONE and point.ratio == 0), None)
        label = label_of(keys, models[keys["model"]])
        subjects.append(Subject(label, keys, metric, baseline, series, margin or _recorded_margin(members), times))
    return subjects


def has_measurement(row: Mapping[str, Any]) -> bool:
    """Whether the row has anything to compare: a result, or, unless its cell failed, a count."""
    wanted = _RUN if is_failed(row) else (*_RUN, *_COUNTED)
    return not all(is_missing(row[name]) for name in wanted)


def _points(cells: Mapping[tuple[str, float], Sequence[dict[str, Any]]], metric: Metric, times: Times) -> list[Point]:
    """The points of one model. What its cells spread over the seeds is pooled, since one cell has few of them."""
    scores: dict[Any, list[Score]] = {
        place: [part_of(row, metric.column) for row in once_per_cell(rows)] for place, rows in cells.items()
    }
    accuracies = SeedSpread.pooled(_present(score.value for score in own) for own in scores.values())
    differences = SeedSpread.pooled(_present(score.diff for score in own) for own in scores.values())
    points = []
    for (mask, ratio), rows in cells.items():
        own = scores[mask, ratio]
        accuracy = over_seeds(((score.value, score.ci_low, score.ci_high) for score in own), accuracies)
        difference = over_seeds(((score.diff, score.diff_low, score.diff_high) for score in own), differences)
        mean = spread(score.value for score in own)
        points.append(_point(mask, ratio, rows, mean, accuracy, difference, differences, times))
    return points


def _point(
    mask: str,
    ratio: float,
    rows: Sequence[dict[str, Any]],
    accuracy: Spread | None,
    interval: Estimate | None,
    difference: Estimate | None,
    trainings: SeedSpread,
    times: Times,
) -> Point:
    cells = once_per_cell(rows)
    column = _column_of(cells)
    sizes = dict.fromkeys(row["batch_size"] for row in rows if not is_missing(row["batch_size"]))
    timings = {int(size): _timing([row for row in rows if row["batch_size"] == size], times) for size in sizes}
    return Point(
        mask=mask,
        ratio=float(ratio),
        seeds=len({row["seed"] for row in cells}),
        tokens_kept=_first(column("tokens_kept")),
        tokens_total=_first(column("tokens_total")),
        accuracy=accuracy,
        ci=interval and (interval.low, interval.high),
        difference=difference,
        gflops=mean_of(spread(column("gflops"))),
        gflops_t=mean_of(spread(column("gflops_t"))),
        published_gflops=mean_of(spread(column("published_gflops"))),
        published_gflops_t=mean_of(spread(column("published_gflops_t"))),
        mean_ratio=mean_of(spread(column("mask_ratio_mean"))),
        gflops_t_needed=mean_of(spread(column("gflops_t_needed"))),
        execution=next(iter(column("execution")), None),
        image_tokens=_over(cells, "image_tokens"),
        image_gflops_t=_over(cells, "image_gflops_t"),
        timings={
            size: timing for size, timing in timings.items() if any(vars(timing).values())
        },
        cells=cells,
        trainings=trainings,
    )


def _timing(rows: Sequence[Mapping[str, Any]], times: Times) -> Timing:
    memory = spread(row["peak_memory_mib"] for row in rows)
    timed = [row for row in rows if times.counts(row)]
    padded = {name: _over(timed if name == "padded_ms" else rows, name) for name in _PADDED}
    unstable = any(row.get("padded_ms_unstable") is True for row in timed)
    parts = _latency(timed, "latency"), _latency(timed, "latency_transformer"), memory
    remains = [[row.get(f"joules_vs_unmasked{end}") for end in ("", "_low", "_high")] for row in timed]
    return Timing(*parts, energy=_widest(remains), **padded, padded_unstable=unstable)


def _over(rows: Sequence[Mapping[str, Any]], name: str) -> Over | None:
    """The percentiles of a column's record, mean over the rows; None unless all are there."""
    ends = [mean_of(spread(row.get(f"{name}_{end}") for row in rows)) for end in ("p5", "p50", "p95")]
    return None if None in ends else Over(*ends)


def _latency(rows: Sequence[Mapping[str, Any]], prefix: str) -> PartLatency | None:
    parts: list[PartTiming] = [part_of(row, prefix) for row in rows]
    median = spread(part.ms_median for part in parts)
    if median is None:
        return None
    ratio = _widest((part.vs_unmasked, part.vs_unmasked_low, part.vs_unmasked_high) for part in parts)
    iqr = mean_of(spread(part.ms_iqr for part in parts))
    samples = min((part.samples for part in parts if not is_missing(part.samples)), default=None)
    processes = min(map(int, _column_of(rows)("latency_processes")), default=1)
    return PartLatency(median, iqr, any(part.unstable for part in parts), ratio, samples, processes)


def _widest(values: Iterable[tuple[float | None, float | None, float | None]]) -> Estimate | None:
    """Mean, lowest and highest end of several (value, low, high); None unless every value has an interval."""
    present = [ends for ends in values if not is_missing(ends[0])]
    if not present or any(is_missing(end) for ends in present for end in ends):
        return None
    middles, lows, highs = zip(*present, strict=True)
    return Estimate(statistics.fmean(middles), min(lows), max(highs))


def _present(values: Iterable[float | None]) -> list[float]:
    return [float(value) for value in values if not is_missing(value)]


def _recorded_margin(rows: Sequence[Mapping[str, Any]]) -> float:
    recorded = _column_of(rows)("loss_margin")
    return min((check_margin(value, "results.csv, column loss_margin") for value in recorded), default=MARGIN)


def _column_of(rows: Sequence[Mapping[str, Any]]) -> Callable[[str], list[Any]]:
    return lambda name: [row[name] for row in rows if not is_missing(row.get(name))]


def _first(values: Iterable[Any]) -> int | None:
    return next((int(value) for value in values), None)
