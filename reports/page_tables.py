"""The tables of the report's page, as plain structures that the template prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..pose.metrics import Metric
from ..row import CONDITIONS, Column, describe
from .comparison import Point, Subject, mean_of, saving
from .grid import Cell, Grid, Head, Row
from .grouping import is_elastic
from .headline import MARGIN, loss_verdict, percent, realised_verdict, signed
from .results import Spread, is_failed, is_missing, once_per_cell, spread
from .tables import cell_text, is_numeric

_LONG = 40


def results_table(subject: Subject) -> Grid:
    """One line per mask and ratio, the unmasked model first; columns without any value are left out."""
    metric = subject.metric
    base = subject.baseline
    points = [*([base] if base else []), *subject.points]
    head = [Head("mask, ratio", numeric=False), Head("kept", "tokens")]
    columns = [[_name_cell(p) for p in points]]
    columns.append([Cell("" if p.tokens_kept is None else str(p.tokens_kept)) for p in points])
    if any(map(_is_inside, points)):
        head.append(Head("mean ratio", "over blocks"))
        columns.append([Cell("" if p.mean_ratio is None else f"{p.mean_ratio:.2f}") for p in points])

    def add(label: str, unit: str, cells: list[Cell]) -> None:
        if any(cell.text for cell in cells):
            head.append(Head(label, unit))
            columns.append(cells)

    add(metric.name, f"{metric.unit}, mean ± std", [_spread_cell(p.accuracy, metric.digits) for p in points])
    add("95 % interval", "bootstrap over people", [_interval_cell(p.ci, metric.digits) for p in points])
    add("difference", "paired 95 % interval", [_difference_cell(p, metric) for p in points])
    margin = MARGIN * metric.full_scale
    verdicts = [Cell(loss_verdict(p, margin) or "", kind="") for p in points]
    add("loss", f"margin {margin:g} {metric.name}", verdicts)
    for values, bases, label, unit in _counted(points, base):
        digits = _digits(values)
        add(label, unit, [_saved_cell(value, before, digits) for value, before in zip(values, bases, strict=True)])
    for size in subject.batch_sizes:
        timings = [p.timings.get(size) for p in points]
        at = f"ms, batch {size}"
        add("transformer latency", at, [_time_cell(t, "transformer") for t in timings])
        add("latency", at, [_time_cell(t, "latency") for t in timings])
        memory = [mean_of(t.memory) if t else None for t in timings]
        add("peak memory", f"MiB, batch {size}", [Cell("" if m is None else f"{m:.1f}") for m in memory])
    rows = []
    for number, point in enumerate(points):
        is_first = number > 0 and point.mask != points[number - 1].mask
        kind = "baseline" if point is base else "first" if is_first else ""
        rows.append(Row([column[number] for column in columns], kind))
    return Grid(subject.label, head, rows)


def _counted(points: Sequence[Point], base: Point | None):
    """Values, their unmasked values, label and unit of each count; what is executed and what is needed side by side.

    A model without a count of what is needed needs all that it executes.
    """

    def of(name: str) -> tuple[list[float | None], list[float | None]]:
        return [getattr(p, name) for p in points], [getattr(base, name) if base else None] * len(points)

    published = (*of("published_gflops_t"), "published GFLOPsT", "published convention")
    whole = (*of("gflops"), "GFLOPs", "1e9 MAC")
    if all(p.gflops_t_needed is None for p in points):
        return [(*of("gflops_t"), "GFLOPsT", "1e9 MAC"), whole, published]
    needed = [p.gflops_t if p.gflops_t_needed is None else p.gflops_t_needed for p in points]
    unmasked = needed[0] if base else None
    return [
        (*of("gflops_t"), "executed GFLOPsT", "1e9 MAC"),
        (needed, [unmasked] * len(points), "needed GFLOPsT", "1e9 MAC"),
        published,
        whole,
    ]


def _is_inside(point: Point) -> bool:
    """Whether tokens (or connections) go inside the network: the mean over blocks is over a token off the ratio."""
    if point.mean_ratio is None:
        return False
    return abs(point.mean_ratio - point.ratio) > 1.0 / (point.tokens_total or 100)


def saving_table(subject: Subject, size: int) -> Grid | None:
    """Counted and measured saving at one batch size; None where nothing was timed on both sides."""
    base = subject.baseline
    before = base.timings.get(size) if base else None
    rows = []
    for points in subject.series.values():
        for number, point in enumerate(points):
            now = point.timings.get(size)
            if not now or not before:
                continue
            transformer = saving(mean_of(now.transformer), mean_of(before.transformer))
            whole = saving(mean_of(now.latency), mean_of(before.latency))
            if transformer is None and whole is None:
                continue
            counted_t = saving(point.gflops_t, base.gflops_t)
            shaky = now.transformer_unstable or before.transformer_unstable
            verdict = ""
            if transformer is not None and counted_t is not None:
                verdict = "unstable" if shaky else realised_verdict(transformer, counted_t)
            values = [counted_t, transformer, saving(point.gflops, base.gflops), whole]
            cells = [_name_cell(point)]
            cells += [Cell("" if value is None else percent(value)) for value in values[:2]]
            cells += [Cell(verdict, kind="")]
            cells += [Cell("" if value is None else percent(value)) for value in values[2:]]
            rows.append(Row(cells, "first" if number == 0 and rows else ""))
    if not rows:
        return None
    heads = [Head("mask, ratio", numeric=False), Head("GFLOPsT", "counted"), Head("transformer", "measured")]
    heads += [Head("saving is", numeric=False), Head("GFLOPs", "counted"), Head("whole model", "measured")]
    device = f", {subject.keys['device']}" if subject.keys["device"] else ""
    return Grid(f"Saving against the unmasked {subject.label}, batch size {size}{device}", heads, rows)


def training_table(records: Sequence[Mapping[str, Any]]) -> Grid:
    """Per model, mask and ratio: what was trained for how long, and the loss it ended at."""
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    # A row evaluated at another ratio than its model was trained at is an evaluation, no training.
    for row in once_per_cell(dict(record) for record in records if not is_elastic(record)):
        key = tuple(row[name] for name in ("model", "mask", "mask_ratio", "training", "epochs", "train_people"))
        groups.setdefault(key, []).append(row)
    rows = []
    for key, members in groups.items():
        model, mask, ratio, training, epochs, people = key
        cells = [Cell(str(text or ""), kind="") for text in (model, mask)]
        cells.append(Cell("" if is_missing(ratio) else f"{ratio:g}"))
        cells.append(Cell(str(training or ""), kind=""))
        cells += [Cell("" if is_missing(value) else f"{int(value):,}") for value in (epochs, people)]
        for name, digits in (("loss_final", 4), ("train_seconds", 1), ("eval_seconds", 1)):
            cells.append(_spread_cell(spread(row[name] for row in members), digits))
        rows.append(Row(cells))
    heads = [Head("model", numeric=False), Head("mask", numeric=False), Head("ratio")]
    heads += [Head("training", numeric=False), Head("epochs"), Head("train people")]
    heads += [Head("final loss"), Head("training", "s"), Head("evaluation", "s")]
    return Grid("Training, mean ± std over seeds", heads, rows)


def all_rows_table(records: Sequence[Mapping[str, Any]]) -> Grid:
    """Every row with every column that has a value; conditions that all rows share are left to their own section."""
    names = [
        name
        for name in dict.fromkeys(name for record in records for name in record)
        if any(not is_missing(record.get(name)) for record in records)
        and not (name in CONDITIONS and len({record.get(name) for record in records}) == 1)
    ]
    columns = [describe(name) for name in names]
    heads = [Head(column.name, column.unit, is_numeric(column)) for column in columns]
    rows = [Row([_plain_cell(record.get(column.name), column) for column in columns]) for record in records]
    return Grid("results.csv, rounded; the file has every digit", heads, rows)


def legend_table(records: Sequence[Mapping[str, Any]]) -> Grid:
    """What each column that has a value means, in which unit and over what it is taken."""
    names = dict.fromkeys(name for record in records for name, value in record.items() if not is_missing(value))
    rows = []
    for column in map(describe, names):
        texts = (column.name, column.label, column.unit, column.scope, column.description)
        rows.append(Row([Cell(text, kind="") for text in texts]))
    heads = [Head(text, numeric=False) for text in ("column", "shown as", "unit", "taken over", "meaning")]
    return Grid("Columns of results.csv. MAC: one multiply-add, a fused one counted once.", heads, rows)


def failed_table(records: Sequence[Mapping[str, Any]]) -> Grid | None:
    """The cells that failed, with their reasons; None if none did."""
    failed = once_per_cell(dict(record) for record in records if is_failed(record))
    trained_at = ("train_ratio",) if any(map(is_elastic, failed)) else ()
    columns = [describe(name) for name in ("model", "dataset", "mask", "mask_ratio", *trained_at, "seed", "error")]
    rows = []
    for record in failed:
        cells = [_plain_cell(record.get(column.name), column) for column in columns[:-1]]
        rows.append(Row([*cells, Cell(str(record.get("error") or "no reason recorded"), kind="wrap")]))
    heads = [Head(column.label, numeric=is_numeric(column)) for column in columns]
    return Grid("Cells without a result; the others are not affected", heads, rows) if rows else None


def _name_cell(point: Point) -> Cell:
    return Cell("unmasked" if point.ratio == 0 else f"{point.mask} {point.ratio:g}", kind="")


def _plain_cell(value: Any, column: Column) -> Cell:
    text = cell_text(value, column)
    if is_numeric(column):
        return Cell(text)
    return Cell(text, kind="wrap" if len(text) > _LONG else "")


def _spread_cell(found: Spread | None, digits: int) -> Cell:
    if found is None:
        return Cell("")
    return Cell(f"{found.mean:.{digits}f}", "" if found.std is None else f"± {found.std:.{digits}f}")


def _interval_cell(interval: tuple[float, float] | None, digits: int) -> Cell:
    return Cell("" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}")


def _difference_cell(point: Point, metric: Metric) -> Cell:
    if point.difference is None:
        return Cell("")
    mean, low, high = point.difference
    return Cell(signed(mean, metric.digits), f"{signed(low, metric.digits)} to {signed(high, metric.digits)}")


def _saved_cell(value: float | None, base: float | None, digits: int) -> Cell:
    if value is None:
        return Cell("")
    change = round(-100 * (saving(value, base) or 0.0), 1)
    return Cell(f"{value:.{digits}f}", f"{signed(change, 1)} %" if change else "")


def _digits(values: Sequence[float | None]) -> int:
    """Four digits, one more for numbers as small as the embedded model's."""
    largest = max((value for value in values if value is not None), default=1.0)
    return 4 if largest >= 0.1 else 5


def _time_cell(timing: Any, part: str) -> Cell:
    found = getattr(timing, part) if timing else None
    if found is None:
        return Cell("")
    iqr = timing.iqr if part == "latency" else timing.transformer_iqr
    unstable = timing.unstable if part == "latency" else timing.transformer_unstable
    asides = [f"IQR {iqr:.2f}" if iqr is not None else "", "unstable" if unstable else ""]
    return Cell(f"{found.mean:.2f}", ", ".join(aside for aside in asides if aside))
