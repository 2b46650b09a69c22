"""The tables of rows on the report's page: training, every row, what the columns mean, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...pose.metrics import METRICS
from ...row import CONDITIONS, Column, describe
from ..analysis.grouping import is_elastic
from ..analysis.results import is_failed, is_missing, once_per_cell, spread
from .formats import cell_text, is_numeric
from .layout import Cell, Grid, Head, Line, spread_cell

#: a text of more characters wraps in its cell
_LONG = 40
#: cells of the table of every row, beyond which it would be most of the page
_MANY_CELLS = 20_000
#: shown in the table of every row before all columns are asked for; the first ones only where they differ
_TELLING = ("model", "dataset", "input_size", "status", "execution", "runtime", "dtype", "device", "machine")
_MAIN = (
    "mask", "mask_ratio", "train_ratio", "seed", "batch_size", "tokens_kept", "gflops_t",
    *(name for metric in METRICS for name in (metric.column, f"{metric.column}_diff")),
    "latency_ms_median", "latency_vs_unmasked", "latency_transformer_ms_median", "latency_transformer_vs_unmasked",
    "peak_memory_mib",
)  # fmt: skip


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
            cells.append(spread_cell(spread(row[name] for row in members), digits))
        rows.append(Line(cells))
    heads = [Head("model", numeric=False), Head("mask", numeric=False), Head("ratio")]
    heads += [Head("training", numeric=False), Head("epochs"), Head("train people")]
    heads += [Head("final loss"), Head("training", "s"), Head("evaluation", "s")]
    return Grid("Training, mean ± std over seeds", heads, rows)


def all_rows_table(records: Sequence[Mapping[str, Any]]) -> Grid:
    """Every row with every column that has a value, the main ones first; conditions that all rows share are left to
    their own section, and of very many rows all but the main columns to the file."""
    names = [
        name
        for name in dict.fromkeys(name for record in records for name in record)
        if any(not is_missing(record.get(name)) for record in records)
        and not (name in CONDITIONS and len({record.get(name) for record in records}) == 1)
    ]
    telling = {name for name in _TELLING if len({record.get(name) for record in records}) > 1}
    main = [name for name in (*_TELLING, *_MAIN) if name in names and name in telling | {*_MAIN}]
    more = [name for name in names if name not in main] if len(names) * len(records) <= _MANY_CELLS else []
    columns = [describe(name) for name in (*main, *more)]
    heads = [Head(column.name, column.unit, is_numeric(column), column.name in main) for column in columns]
    rows = [Line([_plain_cell(record.get(column.name), column) for column in columns]) for record in records]
    left_out = len(names) - len(columns)
    which = f" and {left_out} more columns" if left_out else ""
    return Grid(f"results.csv, rounded; the file has every digit{which}", heads, rows)


def legend_table(records: Sequence[Mapping[str, Any]]) -> Grid:
    """What each column that has a value means, in which unit and over what it is taken."""
    names = dict.fromkeys(name for record in records for name, value in record.items() if not is_missing(value))
    rows = []
    for column in map(describe, names):
        texts = (column.name, column.label, column.unit, column.scope, column.description)
        rows.append(Line([Cell(text, kind="") for text in texts]))
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
        rows.append(Line([*cells, Cell(str(record.get("error") or "no reason recorded"), kind="wrap")]))
    heads = [Head(column.label, numeric=is_numeric(column)) for column in columns]
    return Grid("Cells without a result; the others are not affected", heads, rows) if rows else None


def _plain_cell(value: Any, column: Column) -> Cell:
    text = cell_text(value, column)
    if is_numeric(column):
        exact = "" if is_missing(value) else str(value)
        return Cell(text, exact="" if exact == text else exact)
    return Cell(text, kind="wrap" if len(text) > _LONG else "")
