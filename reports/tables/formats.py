"""Rows as a table for people (rich, Markdown) or for programs (JSON, CSV)."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from ...pose.errors import InputError
from ...row import Column, describe
from ..analysis.results import is_missing, records_of

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("table", "json", "csv", "markdown")

#: what the commands show unless asked for other columns
FLOPS_COLUMNS = (
    "model", "dataset", "input_size", "mask", "mask_ratio", "mask_ratio_mean", "tokens_total", "tokens_kept", "params",
    "gflops", "gflops_t", "gflops_needed", "gflops_t_needed", "published_gflops", "published_gflops_t", "execution",
    "decoder",
)  # fmt: skip
PROFILE_COLUMNS = (
    "model", "mask", "mask_ratio", "execution", "decoder", "runtime", "dtype", "tokens_kept", "gflops_t",
    "gflops_t_needed", "batch_size", "latency_ms_median", "latency_x_eager", "latency_graph_ms_median",
    "latency_launch_bound", "latency_ms_iqr", "latency_ms_p90",
    "latency_samples", "latency_unstable", "latency_transformer_ms_median", "latency_transformer_x_eager",
    "latency_transformer_ms_iqr", "throughput_images_per_s", "joules_per_image", "peak_memory_mib", "peak_rss_mib",
    "drift_heatmap", "drift_px_median", "drift_px_max", "runtime_version", "device", "tf32", "threads",
)  # fmt: skip
#: those that get room first where a terminal has none for all: what tells the rows apart, then the main numbers
FIRST_COLUMNS = (
    "model", "dataset", "input_size", "mask", "mask_ratio", "execution", "runtime", "dtype", "batch_size", "field",
    "old", "new", "gflops_t", "latency_ms_median", "latency_transformer_ms_median", "latency_x_eager",
    "gflops", "published_gflops_t", "peak_memory_mib",
    "ap", "pckh", "tokens_kept", "params",
)  # fmt: skip
GAP = 2  # between two columns
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
        return json.dumps([{name: plain(row.get(name)) for name in names} for row in records], indent=2) + "\n"
    if format == "csv":
        return _csv(records, names)
    shown = [describe(name) for name in names if any(not is_missing(row.get(name)) for row in records)]
    cells = [[cell_text(row.get(column.name), column) for column in shown] for row in records]
    if format == "markdown":
        return _markdown(shown, cells)
    return text_table([column.header for column in shown], cells, [is_numeric(column) for column in shown])


def fit_rows(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]], columns: Sequence[str] | None, width: int
) -> tuple[str, Table, list[str]]:
    """Rows as a table that is no wider than `width`: (what is the same in all rows, the table, names left out).

    A single row becomes a list of names and values, which needs no width. Otherwise what all rows share is said once,
    and columns get room in the order of FIRST_COLUMNS, then in their own.
    """
    records = records_of(rows)
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in records for name in row))
    shown = [describe(name) for name in names if any(not is_missing(row.get(name)) for row in records)]
    texts = {column: [cell_text(row.get(column.name), column) for row in records] for column in shown}
    if len(records) == 1:
        return "", _list([(column.header, texts[column][0]) for column in shown]), []
    shared = [column for column in shown if len(set(texts[column])) == 1]
    common = ", ".join(f"{column.header} {texts[column][0]}" for column in shared)
    rest = [column for column in shown if column not in shared]
    place = {name: number for number, name in enumerate(FIRST_COLUMNS)}
    fitting = fit(
        [(column.header, texts[column]) for column in rest],
        [place.get(column.name, len(place)) for column in rest],
        width,
    )
    chosen = [column for number, column in enumerate(rest) if number in fitting]
    cells = list(zip(*(texts[column] for column in chosen), strict=True))
    table = text_table(
        [column.header for column in chosen], cells, [is_numeric(column) for column in chosen], list(fitting.values())
    )
    return common, table, [column.label for column in rest if column not in chosen]


def fit(columns: Sequence[tuple[str, Sequence[str]]], ranks: Sequence[int], width: int) -> dict[int, int]:
    """Which of the columns (header, cells) fit side by side into `width`, and how wide each is: number -> width.

    The lowest rank comes first, the first column always. Only headers wrap, between words.
    """
    least = [max(map(cell_len, (*header.split(), *cells)), default=0) for header, cells in columns]
    spare = width
    chosen: dict[int, int] = {}
    for number in sorted(range(len(columns)), key=lambda number: (ranks[number], number)):
        if not chosen or least[number] + GAP <= spare:
            chosen[number] = least[number]
            spare -= least[number] + (GAP if len(chosen) > 1 else 0)
    for number in sorted(chosen):  # the room that is left goes to headers that would be broken
        more = min(max(cell_len(columns[number][0]) - least[number], 0), max(spare, 0))
        chosen[number] += more
        spare -= more
    return {number: chosen[number] for number in sorted(chosen)}


def text_table(
    headers: Sequence[str],
    cells: Sequence[Sequence[str]],
    numeric: Sequence[bool],
    widths: Sequence[int] | None = None,
) -> Table:
    """A table of texts, numbers to the right. widths: of the columns, None: as wide as they come."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for number, (header, right) in enumerate(zip(headers, numeric, strict=True)):
        wide = widths[number] if widths else max(map(cell_len, (header, *(row[number] for row in cells))))
        # Text, not str: a name with square brackets is no markup.
        table.add_column(Text(header), justify="right" if right else "left", overflow="fold", width=wide)
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _list(pairs: Sequence[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for header, text in pairs:
        table.add_row(Text(header), Text(text))
    return table


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
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def is_numeric(column: Column) -> bool:
    """Whether the column's values are aligned to the right."""
    return column.kind in ("integer", "number")


def _markdown(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> str:
    rule = ["---:" if is_numeric(column) else "---" for column in columns]
    lines = [
        [escaped(column.header) for column in columns],
        rule,
        *([escaped(cell) for cell in row] for row in cells),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escaped(text: str) -> str:
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
    return json.dumps(plain(value)) if isinstance(value, (Mapping, list, tuple)) else value


def plain(value: Any) -> Any:
    """A value that JSON can hold: None for missing and infinite, Python numbers for numpy's."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, str):
        return value
    if is_missing(value) or (isinstance(value, float) and math.isinf(value)):
        return None
    return value if isinstance(value, (bool, int, float)) else str(value)
