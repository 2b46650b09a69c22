"""The numbers of a sweep as a paper shows them: one value per configuration and column, over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...pose.errors import InputError
from ...row import BY_NAME, Column, check_columns, describe
from .comparison import compare
from .intervals import Estimate
from .results import is_missing, spread
from .subject import Point, Subject
from .timed import is_clocked
from .verdicts import ONE_TRAINING, clear_best, time_saved

_LATENCY = {"latency": "whole", "latency_transformer": "transformer"}
#: of counts, which have no noise, the least is the best
_COUNTED = ("gflops", "macs", "params", "published_gflops")


@dataclass(frozen=True)
class Value:
    """Of one configuration in one column: a text, or the mean over seeds with its standard deviation (None for one
    seed, or where all agree) and, where one was computed, its 95 % interval."""

    text: str = ""
    mean: float | None = None
    std: float | None = None
    interval: tuple[float, float] | None = None
    is_best: bool = False


@dataclass(frozen=True)
class PaperRow:
    """One configuration and its values by column."""

    point: Point
    values: Mapping[str, Value] = field(default_factory=dict)


def at_batch_size(rows: Sequence[Mapping[str, Any]], size: int | None) -> tuple[list[Mapping[str, Any]], int | None]:
    """The rows of one batch size (None: the smallest), and which it is. InputError where nothing has the given one."""
    sizes = sorted({int(row["batch_size"]) for row in rows if not is_missing(row.get("batch_size"))})
    if size is not None and size not in sizes:
        raise InputError(f"--batch-size {size}: measured were {', '.join(map(str, sizes)) or 'none'}")
    chosen = size if size is not None else next(iter(sizes), None)
    return [row for row in rows if is_missing(row.get("batch_size")) or row["batch_size"] == chosen], chosen


def subjects_at(rows: Sequence[Mapping[str, Any]], size: int | None) -> tuple[list[Subject], int | None]:
    """What is compared in the rows of one batch size, and which it is."""
    chosen, size = at_batch_size(rows, size)
    return [subject for subject in compare(chosen) if subject.baseline or subject.points], size


def usual_columns(subject: Subject) -> list[str]:
    """What a paper's table shows unless told otherwise, of that what was measured."""
    metric = subject.metric.column
    names = ["mask", "mask_ratio", "tokens_kept", "gflops_t", metric, f"{metric}_diff", "latency_ms_median"]
    points = [*([subject.baseline] if subject.baseline else []), *subject.points]
    return [name for name in names if any(value_of(subject, point, name) != Value() for point in points)]


def check_shown(names: Sequence[str], option: str, *, numeric: bool = False) -> list[Column]:
    """The columns of these names; InputError for one that there is not, or that is no number."""
    check_columns(names)
    columns = [describe(name) for name in names]
    for column in columns:
        if column.kind == "raw" or (numeric and column.kind not in ("number", "integer")):
            raise InputError(f"{option} {column.name}: is no column of numbers; try gflops_t, ap or latency_ms_median")
    return columns


def paper_rows(subject: Subject, names: Sequence[str]) -> list[PaperRow]:
    """The unmasked model, then every configuration. Best is, in its column, what is shown to be better than each other
    configuration of the same ratio; where that is not shown, none is."""
    points = [*([subject.baseline] if subject.baseline else []), *subject.points]
    table = [{name: value_of(subject, point, name) for name in names} for point in points]
    for name in names:
        for ratio in {point.ratio for point in subject.points}:
            rivals = [n for n, p in enumerate(points) if p is not subject.baseline and p.ratio == ratio]
            best = clear_best([_merit(subject, points[n], name) for n in rivals])
            if best is not None:
                table[rivals[best]][name] = replace(table[rivals[best]][name], is_best=True)
    return [PaperRow(point, values) for point, values in zip(points, table, strict=True)]


def value_of(subject: Subject, point: Point, name: str) -> Value:
    """One number, or word, of a configuration; times are those of `Subject.times`."""
    if name == "mask":
        return Value("unmasked" if point is subject.baseline else point.mask)
    rows = [row for row in point.cells if not is_clocked(name) or subject.times.counts(row)]
    if BY_NAME[name].kind in ("text", "flag"):
        texts = dict.fromkeys(str(row[name]) for row in rows if not is_missing(row.get(name)))
        return Value(", ".join(texts))
    over = spread(row.get(name) for row in rows)
    if over is None:
        return Value()
    return Value("", over.mean, over.std or None, _interval(subject, point, name))


def _interval(subject: Subject, point: Point, name: str) -> tuple[float, float] | None:
    metric = subject.metric.column
    if name == metric:
        return point.ci
    if name == f"{metric}_diff" and point.difference:
        return point.difference.low, point.difference.high
    return None


def _merit(subject: Subject, point: Point, name: str) -> Estimate | None:
    """How good a configuration is in a column, more being better; None where nothing is known of its doubt."""
    metric = subject.metric.column
    if name in (metric, f"{metric}_diff"):
        return point.difference
    if name.startswith(_COUNTED):
        value = value_of(subject, point, name).mean
        return None if value is None else Estimate(-value, -value, -value)
    for prefix, part in _LATENCY.items():
        if name in (f"{prefix}_ms_median", f"{prefix}_vs_unmasked"):
            timings = (next(iter(p.timings.values()), None) if p else None for p in (point, subject.baseline))
            return time_saved(*(timing and getattr(timing, part) for timing in timings))
    return None


def conditions_text(subject: Subject, size: int | None) -> str:
    """What a caption says of seeds, people, intervals, and of the machine."""
    points = [*([subject.baseline] if subject.baseline else []), *subject.points]
    seeds = sorted({point.seeds for point in points})
    people = next((point.people for point in points if point.people), None)
    several = max(seeds, default=1) > 1
    parts = [f"{subject.keys['model']} on {subject.keys['dataset']}"]
    how_many = "1 seed" if seeds == [1] else f"{' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds"
    parts.append(f"n = {people} people, {how_many}" if people else how_many)
    if any(point.ci or point.difference for point in points):
        over = "people and trainings" if several else f"people ({ONE_TRAINING})"
        parts.append(f"95 % intervals over {over}, differences paired")
    row = next((row for point in points for row in point.cells if subject.times.counts(row)), {})
    timed = any(timing.whole for point in points for timing in point.timings.values())
    if timed:
        where = [f"batch size {size}"] if size else []
        where += [str(row[n]) for n in ("device_name", "runtime", "dtype") if not is_missing(row.get(n))]
        threads = row.get("threads")
        where += [f"{threads} thread{'' if threads == 1 else 's'}"] if not is_missing(threads) else []
        left_out = subject.times.left_out
        elsewhere = f" ({left_out} row{'' if left_out == 1 else 's'} timed elsewhere left out)" if left_out else ""
        parts.append(f"times: median, {', '.join(where)}{elsewhere}")
    parts.append("GFLOPsT: exact 1e9 multiply-adds behind the backbone")
    made = " ".join(str(row[n]) for n in ("posebench_version", "git_revision") if not is_missing(row.get(n)))
    parts.append(f"posebench {made}".strip())
    return "; ".join(parts) + "."
