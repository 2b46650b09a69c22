"""Rows as a table for people (rich, Markdown) or for programs (JSON, CSV)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from ..pose.errors import InputError
from .columns import Column, describe
from .results import is_missing, records_of

FORMATS = ("table", "json", "csv", "markdown")

#: what the commands show unless asked for other columns
FLOPS_COLUMNS = (
    "model", "dataset", "input_size", "mask", "mask_ratio", "mask_ratio_mean", "tokens_total", "tokens_kept", "params",
    "gflops", "gflops_t", "gflops_needed", "gflops_t_needed", "published_gflops", "published_gflops_t", "execution",
    "decoder",
)  # fmt: skip
PROFILE_COLUMNS = (
    "model", "mask", "mask_ratio", "execution", "decoder", "tokens_kept", "gflops_t", "gflops_t_needed", "batch_size",
    "latency_ms_median", "latency_ms_iqr", "latency_ms_p90", "latency_samples", "latency_unstable",
    "latency_transformer_ms_median", "latency_transformer_ms_iqr", "throughput_images_per_s", "peak_memory_mib",
    "device", "dtype", "threads",
)  # fmt: skip
MODELS_COLUMNS = ("model", "dataset", "input_size", "tokens_total", "params", "gflops", "gflops_t")


def render_rows(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, format: str = "table"
) -> str | Table:
    """Rows in one of FORMATS: a rich Table for "table", text for the others.

    "table" and "markdown" are for people: headers with units, rounded numbers, columns without any value left out.
    "json" (a list of objects; null where missing) and "csv" are for programs: the columns' names, every digit.
    `columns` None: every column that occurs. Raises InputError for an unknown format.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; one of {', '.join(FORMATS)}")
    records = records_of(rows)
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in records for name in row))
    if format == "json":
        return json.dumps([{name: _plain(row.get(name)) for name in names} for row in records], indent=2) + "\n"
    if format == "csv":
        return _csv(records, names)
    shown = [describe(name) for name in names if any(not is_missing(row.get(name)) for row in records)]
    cells = [[cell_text(row.get(column.name), column) for column in shown] for row in records]
    return _markdown(shown, cells) if format == "markdown" else _table(shown, cells)


def cell_text(value: Any, column: Column) -> str:
    """A value as people read it: rounded to the column's digits, thousands grouped, yes/no, nothing if missing."""
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)) and column.kind == "integer" and value == int(value):
        return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
    if isinstance(value, (int, float)) and column.kind == "number":
        return f"{value:.{column.digits}f}"
    return str(value)


def is_numeric(column: Column) -> bool:
    """Whether the column's values are aligned to the right."""
    return column.kind in ("integer", "number")


def _table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> Table:
    table = Table(show_edge=False, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(Text(column.header), justify="right" if is_numeric(column) else "left", overflow="fold")
    for row in cells:
        # Text, not str: a name with square brackets is no markup.
        table.add_row(*(Text(cell) for cell in row))
    return table


def _markdown(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> str:
    rule = ["---:" if is_numeric(column) else "---" for column in columns]
    lines = [
        [_escaped(column.header) for column in columns],
        rule,
        *([_escaped(cell) for cell in row] for row in cells),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(text: str) -> str:
    """Text that stays one cell and no HTML in Markdown."""
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\\", "\\\\"), ("|", "\\|"), ("`", "\\`")):
        text = text.replace(sign, instead)
    return " ".join(text.split())


def _csv(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in records:
        writer.writerow([_flat(row.get(name)) for name in names])
    return text.getvalue()


def _flat(value: Any) -> Any:
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(_plain(value)) if isinstance(value, (Mapping, list, tuple)) else value


def _plain(value: Any) -> Any:
    """A value that JSON can hold: None for missing, Python numbers for numpy's."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if is_missing(value):
        return None
    if hasattr(value, "item"):
        value = value.item()
    return value if isinstance(value, (bool, int, float, str)) else str(value)
