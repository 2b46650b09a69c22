"""What is compared with what: rows that share all conditions, their unmasked baseline, and the savings against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import pandas as pd

from .results import Spread, is_failed, is_missing, once_per_cell, records_of, spread, to_frame

#: rows are compared only where these agree; those that vary among a model's rows are named in the subject's label
SUBJECT_KEYS: tuple[str, ...] = (
    "model",
    "dataset",
    "input_size",
    "data_dir",
    "boxes",
    "flip_test",
    "training",
    "epochs",
    "as_published",
    "device",
    "device_name",
    "dtype",
    "threads",
    "amp",
)
_WORDS = {"threads": "{} threads", "epochs": "{} epochs", "training": "training: {}", "boxes": "boxes: {}"}
_FLAG_WORDS = {"flip_test": "flip test", "as_published": "as published", "amp": "AMP"}
_RUN = ("ap", "pckh", "latency_ms_median", "latency_transformer_ms_median")
_COUNTED = ("gflops_t", "gflops")


@dataclass(frozen=True)
class Metric:
    """An accuracy column: its name in prose, its unit, how many decimals to show, its full scale."""

    column: str
    name: str
    axis: str
    digits: int
    ci: tuple[str, str] | None = None


AP = Metric("ap", "AP", "AP (0 to 1)", 3, ("ap_ci_low", "ap_ci_high"))
PCKH = Metric("pckh", "PCKh@0.5", "PCKh@0.5 (%)", 2)


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
    """One mask at one ratio, over its seeds. `ci` and `difference` are the widest intervals over the seeds."""

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

    Of a failed cell whatever was measured before it failed is kept; counts alone are not.
    The baseline is the row set with mask "none" or ratio 0. Masked rows with another handling of positions are
    series of their own ("random, prefix").
    """
    records = [row for row in records_of(to_frame(rows)) if _has_measurement(row)]
    models: dict[Any, list[dict[str, Any]]] = {}
    for row in records:
        models.setdefault(row["model"], []).append(row)
    positions_vary = len({row["positions"] for row in records if not _is_unmasked(row)}) > 1
    subjects = []
    for key, members in _groups(records).items():
        keys = dict(zip(SUBJECT_KEYS, key, strict=True))
        metric = _metric(keys["dataset"], members)
        cells: dict[tuple[str, float], list[dict[str, Any]]] = {}
        for row in members:
            name = "none" if _is_unmasked(row) else str(row["mask"] or "unnamed mask")
            if positions_vary and name != "none" and row["positions"]:
                name = f"{name}, {row['positions']}"
            cells.setdefault((name, row["mask_ratio"] or 0.0), []).append(row)
        points = [_point(name, ratio, found, metric) for (name, ratio), found in cells.items()]
        masks = dict.fromkeys(point.mask for point in points if point.mask != "none")
        series = {mask: sorted((p for p in points if p.mask == mask), key=lambda p: p.ratio) for mask in masks}
        baseline = next((point for point in points if point.mask == "none" and point.ratio == 0), None)
        same_model = models[keys["model"]]
        varying = [name for name in SUBJECT_KEYS if len({row[name] for row in same_model}) > 1]
        subjects.append(Subject(_label(keys, varying), keys, metric, baseline, series))
    return subjects


def _groups(records: Sequence[dict[str, Any]]) -> dict[tuple, list[dict[str, Any]]]:
    """Records by their subject keys. One that lacks some keys joins the only group that agrees in all others."""
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in records:
        groups.setdefault(tuple(row[name] for name in SUBJECT_KEYS), []).append(row)
    for key in [key for key in groups if None in key]:
        fitting = [
            other
            for other in groups
            if other != key and all(mine is None or mine == theirs for mine, theirs in zip(key, other, strict=True))
        ]
        if len(fitting) == 1:
            groups[fitting[0]] += groups.pop(key)
    return groups


def saving(value: float | None, base: float | None) -> float | None:
    """The fraction of `base` that `value` saves: 0.4 when 60 is left of 100, negative when it costs more."""
    if is_missing(value) or is_missing(base) or base <= 0:
        return None
    return 1.0 - value / base


def mean_of(found: Spread | None) -> float | None:
    """The mean, or None where nothing was measured."""
    return found.mean if found else None


def _has_measurement(row: Mapping[str, Any]) -> bool:
    wanted = _RUN if is_failed(row) else (*_RUN, *_COUNTED)
    return not all(is_missing(row[name]) for name in wanted)


def _is_unmasked(row: Mapping[str, Any]) -> bool:
    return row["mask_ratio"] == 0 or (row["mask"] in (None, "none") and not row["mask_ratio"])


def _metric(dataset: str | None, rows: Sequence[Mapping[str, Any]]) -> Metric:
    """PCKh for MPII, AP for all others, unless only the other one was measured."""
    first, second = (PCKH, AP) if dataset == "mpii" else (AP, PCKH)
    only_second = all(is_missing(row[first.column]) for row in rows) and not all(
        is_missing(row[second.column]) for row in rows
    )
    return second if only_second else first


def _point(mask: str, ratio: float, rows: Sequence[dict[str, Any]], metric: Metric) -> Point:
    cells = once_per_cell(rows)
    column = _column_of(cells)
    ci = None
    if metric.ci and (lows := column(metric.ci[0])) and (highs := column(metric.ci[1])):
        ci = (min(lows), max(highs))
    difference = None
    if metric is AP and (middle := spread(column("ap_diff"))):
        lows, highs = column("ap_diff_low"), column("ap_diff_high")
        # An interval counts only if each seed has one: the widest of some seeds would claim too much.
        if len(lows) == len(highs) == middle.n:
            difference = (middle.mean, min(lows), max(highs))
    sizes = dict.fromkeys(row["batch_size"] for row in rows if not is_missing(row["batch_size"]))
    timings = {int(size): _timing([row for row in rows if row["batch_size"] == size]) for size in sizes}
    return Point(
        mask=mask,
        ratio=float(ratio),
        seeds=len({row["seed"] for row in cells}),
        tokens_kept=_first(column("tokens_kept")),
        tokens_total=_first(column("tokens_total")),
        accuracy=spread(column(metric.column)),
        ci=ci,
        difference=difference,
        gflops=mean_of(spread(column("gflops"))),
        gflops_t=mean_of(spread(column("gflops_t"))),
        published_gflops=mean_of(spread(column("published_gflops"))),
        published_gflops_t=mean_of(spread(column("published_gflops_t"))),
        timings={
            size: timing for size, timing in timings.items() if any((timing.latency, timing.transformer, timing.memory))
        },
    )


def _timing(rows: Sequence[Mapping[str, Any]]) -> Timing:
    column = _column_of(rows)
    return Timing(
        latency=spread(column("latency_ms_median")),
        iqr=mean_of(spread(column("latency_ms_iqr"))),
        unstable=any(column("latency_unstable")),
        transformer=spread(column("latency_transformer_ms_median")),
        transformer_iqr=mean_of(spread(column("latency_transformer_ms_iqr"))),
        transformer_unstable=any(column("latency_transformer_unstable")),
        memory=spread(column("peak_memory_mib")),
    )


def _column_of(rows: Sequence[Mapping[str, Any]]):
    return lambda name: [row[name] for row in rows if not is_missing(row.get(name))]


def _first(values: Iterable[Any]) -> int | None:
    return next((int(value) for value in values), None)


def _label(keys: Mapping[str, Any], varying: Sequence[str]) -> str:
    """The model's name and dataset, then whatever else distinguishes this subject from the file's others."""
    parts = [str(keys["model"] or "unnamed model")]
    if "dataset" in varying and keys["dataset"]:
        parts.append(str(keys["dataset"]).upper())
    for name in varying:
        value = keys[name]
        if name in ("model", "dataset") or is_missing(value):
            continue
        if name in _FLAG_WORDS:
            parts.append(_FLAG_WORDS[name] if value else f"no {_FLAG_WORDS[name]}")
        else:
            value = PurePath(value).name if name in ("data_dir", "boxes") else value
            words = "{} thread" if (name, value) == ("threads", 1) else _WORDS.get(name, "{}")
            parts.append(words.format(value))
    return ", ".join(parts)
