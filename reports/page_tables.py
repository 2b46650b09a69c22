"""The tables of the report's page, as plain structures that the template prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..row import CONDITIONS, Column, describe
from .comparison import Clock, Point, Subject, mean_of, saving
from .grid import Cell, Grid, Head, Row
from .grouping import is_elastic
from .results import Spread, is_failed, is_missing, once_per_cell, spread
from .tables import cell_text, is_numeric
from .verdicts import against_count, loss_verdict, measured_saving, saving_words, silence
from .wording import amount_text, percent, percent_range, signed

_LONG = 40


def results_table(subject: Subject) -> Grid:
    """Accuracy and counts, one line per mask and ratio, the unmasked model first; empty columns are left out."""
    metric = subject.metric
    base = subject.baseline
    points = [*([base] if base else []), *subject.points]
    head = [Head("mask, ratio", numeric=False), Head("kept", _kept_unit(points))]
    columns = [[_name_cell(p) for p in points]]
    columns.append([_kept_cell(p) for p in points])
    if any(map(_is_inside, points)):
        head.append(Head("mean ratio", "over blocks"))
        columns.append([Cell("" if p.mean_ratio is None else f"{p.mean_ratio:.2f}") for p in points])

    def add(label: str, unit: str, cells: list[Cell]) -> None:
        if any(cell.text for cell in cells):
            head.append(Head(label, unit))
            columns.append(cells)

    scale = ("%" if metric.is_percent else "0 to 1") + (", mean ± std" if _is_over_seeds(points) else "")
    add(metric.name, scale, [_spread_cell(p.accuracy, metric.digits) for p in points])
    add("95 % interval", "bootstrap, people", [_interval_cell(p.ci, metric.digits) for p in points])
    add("difference", "95 % interval, paired", [_difference_cell(p, metric.digits) for p in points])
    if subject.allowed_loss is not None:
        verdicts = [loss_verdict(p.difference, subject.allowed_loss) for p in points]
        margin = f"margin {amount_text(subject.allowed_loss, metric)}"
        add("loss", margin, [Cell(verdict or "", kind="") for verdict in verdicts])
    for values, bases, label, unit in _counted(points, base):
        digits = _digits(values)
        add(label, unit, [_saved_cell(value, before, digits) for value, before in zip(values, bases, strict=True)])
    return Grid(subject.label, head, _rows(points, columns, base))


def clock_table(subject: Subject) -> Grid | None:
    """Latency of both parts and peak memory, batch size by batch size; None where nothing was measured."""
    points = [*([subject.baseline] if subject.baseline else []), *subject.points]
    heads, groups, columns = [Head("mask, ratio", numeric=False)], [("", 1)], [[_name_cell(p) for p in points]]
    for size in subject.batch_sizes:
        timings = [p.timings.get(size) for p in points]
        memory = [mean_of(t.memory) if t else None for t in timings]
        own = (
            ("transformer", "ms", [_time_cell(t.transformer if t else None) for t in timings]),
            ("whole model", "ms", [_time_cell(t.whole if t else None) for t in timings]),
            ("peak memory", "MiB", [Cell("" if m is None else f"{m:.1f}") for m in memory]),
        )
        own = [(Head(label, unit), cells) for label, unit, cells in own if any(cell.text for cell in cells)]
        heads += [head for head, _ in own]
        columns += [cells for _, cells in own]
        groups.append((f"batch size {size}", len(own)))
    if len(columns) == 1:
        return None
    device = f", {subject.keys['device']}" if subject.keys["device"] else ""
    caption = f"{subject.label}: median latency and peak memory{device}"
    return Grid(caption, heads, _rows(points, columns, subject.baseline), groups)


def _rows(points: Sequence[Point], columns: Sequence[Sequence[Cell]], base: Point | None) -> list[Row]:
    rows = []
    for number, point in enumerate(points):
        is_first = number > 0 and point.mask != points[number - 1].mask
        kind = "baseline" if point is base else "first" if is_first else ""
        rows.append(Row([column[number] for column in columns], kind))
    return rows


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
            parts = ((point.gflops_t, base.gflops_t, "transformer"), (point.gflops, base.gflops, "whole"))
            cells = [_name_cell(point)]
            for count, unmasked, part in parts:
                counted = saving(count, unmasked)
                cells.append(Cell("" if counted is None else percent(counted)))
                cells.append(_claim_cell(getattr(now, part), getattr(before, part), counted))
            if any(cell.text for cell in (cells[2], cells[4])):
                rows.append(Row(cells, "first" if number == 0 and rows else ""))
    if not rows:
        return None
    heads = [Head("mask, ratio", numeric=False), Head("GFLOPsT", "counted"), Head("transformer", "measured", False)]
    heads += [Head("GFLOPs", "counted"), Head("whole model", "measured", False)]
    device = f", {subject.keys['device']}" if subject.keys["device"] else ""
    return Grid(f"Saving against the unmasked {subject.label}, batch size {size}{device}", heads, rows)


def _claim_cell(now: Clock | None, before: Clock | None, counted: float | None) -> Cell:
    if not now or not before:
        return Cell("", kind="")
    saved = measured_saving(now, before)
    if saved is None:
        return Cell(silence(now, before), kind="")
    aside = ""
    if saved[0] <= 0 <= saved[1]:
        aside = percent_range(*saved)
    elif saved[0] > 0 and counted is not None and counted > 0:
        aside = against_count(saved, counted)
    return Cell(saving_words(saved), aside, kind="")


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


def _difference_cell(point: Point, digits: int) -> Cell:
    if point.difference is None:
        return Cell("")
    mean, low, high = (signed(value, digits) for value in point.difference)
    return Cell(mean, f"{low} to {high}")


def _saved_cell(value: float | None, base: float | None, digits: int) -> Cell:
    if value is None:
        return Cell("")
    change = round(-100 * (saving(value, base) or 0.0), 1)
    return Cell(f"{value:.{digits}f}", f"{signed(change, 1)} %" if change else "")


def _digits(values: Sequence[float | None]) -> int:
    """Four digits, one more for numbers as small as the embedded model's."""
    largest = max((value for value in values if value is not None), default=1.0)
    return 4 if largest >= 0.1 else 5


def _time_cell(timing: Clock | None) -> Cell:
    if timing is None:
        return Cell("")
    asides = [f"IQR {timing.iqr:.2f}" if timing.iqr is not None else "", "unstable" if timing.unstable else ""]
    return Cell(f"{timing.latency.mean:.2f}", "\n".join(aside for aside in asides if aside))


def _kept_unit(points: Sequence[Point]) -> str:
    total = {point.tokens_total for point in points} - {None}
    return f"of {total.pop()} tokens" if len(total) == 1 else "tokens"


def _kept_cell(point: Point) -> Cell:
    """The tokens left; of a mask of connections all are, and its ratio is said to be of something else."""
    text = "" if point.tokens_kept is None else str(point.tokens_kept)
    return Cell(text, "cuts connections" if point.keeps_all_tokens else "")


def _is_over_seeds(points: Sequence[Point]) -> bool:
    return any(point.accuracy and point.accuracy.std is not None for point in points)
