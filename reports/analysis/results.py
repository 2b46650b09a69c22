"""results.csv: reading, writing, and the statistics over seeds."""

from __future__ import annotations

import csv
import io
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...pose.errors import InputError
from ...pose.files import read_text, write_atomic
from ...pose.schema import check_version
from ...row import COLUMNS, SCHEMA_VERSION, STATUS_FAILED, check_columns

if TYPE_CHECKING:  # half a second to import, which tables of counts do without
    import pandas as pd

#: a file without these is no results file; any other column may be missing
_REQUIRED = ("schema_version", "cell", "status", "model", "dataset", "mask", "mask_ratio", "seed")

#: nothing that is measured comes near it; the statistics of larger numbers overflow
LARGEST = 1e60

_DTYPES = {"text": object, "integer": "Int64", "number": "float64", "flag": "boolean"}


@dataclass(frozen=True)
class Spread:
    """A number over seeds: mean, sample standard deviation (None for one seed), smallest, largest, how many."""

    mean: float
    std: float | None
    low: float
    high: float
    n: int


def spread(values: Iterable[Any]) -> Spread | None:
    """Mean, sample standard deviation (n - 1), minimum, maximum and count of the values present; None without any."""
    present = [float(value) for value in values if not is_missing(value)]
    if not present:
        return None
    std = statistics.stdev(present) if len(present) > 1 else None
    return Spread(statistics.fmean(present), std, min(present), max(present), len(present))


def is_missing(value: Any) -> bool:
    """True for None, NaN, pandas' NA and the empty string."""
    if value is None:
        return True
    if isinstance(value, str):
        return value == ""
    if isinstance(value, float):
        return math.isnan(value)
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def is_failed(row: Mapping[str, Any]) -> bool:
    """True if the row's cell did not finish: its status says so, or it carries an error."""
    return row.get("status") == STATUS_FAILED or not is_missing(row.get("error"))


def to_frame(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame with every column of a row in order and with its type; missing values are None or NA.

    Raw values (lists and dicts) are left out. Raises InputError for a column that there is not, and for a value that is
    not of its column's kind, naming row and column.
    """
    import pandas as pd

    records = records_of(rows)
    check_columns(dict.fromkeys(name for record in records for name in record))
    data = {}
    for column in COLUMNS:
        values = []
        for number, record in enumerate(records, 1):
            try:
                values.append(_convert(record.get(column.name), column.kind))
            except ValueError:
                value = record.get(column.name)
                problem = f"row {number}, column {column.name}: {value!r} is not {_KIND_WORDS[column.kind]}"
                raise InputError(problem) from None
        data[column.name] = pd.Series(values, dtype=_DTYPES[column.kind])
    return pd.DataFrame(data)


def records_of(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as dicts of plain Python values, None where missing."""
    if not isinstance(rows, Sequence):
        rows = rows.astype(object).to_dict("records")
    return [{str(name): None if is_missing(value) else value for name, value in row.items()} for row in rows]


def write_results(path: Path, rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV (UTF-8, every column of a row in order, empty = missing) whole or not at all.

    Numbers keep every digit, flags are true/false. A row without schema_version gets the current one.
    """
    frame = to_frame(rows)
    frame["schema_version"] = frame["schema_version"].fillna(SCHEMA_VERSION)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows([_to_text(row[name]) for name in frame.columns] for row in records_of(frame))
    write_atomic(path, text.getvalue().encode("utf-8", "backslashreplace"))


def read_results(path: Path) -> pd.DataFrame:
    """Read a file of `write_results`; the same frame comes back. Columns that an older file lacks are empty.

    Raises InputError naming the file if it is absent, is no CSV text, is no results file, has a column that there is
    not, was written by another schema version, or holds a value that is not of its column's kind.
    """
    path = Path(path)
    try:
        # A carriage return inside a quoted error text must survive: no newline translation.
        lines = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; a sweep writes its results there") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file ({error})") from None
    header = lines[0] if lines else []
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(f"{path}: not a results file of posebench: column {', '.join(missing[:3])}{more} missing")
    if len(set(header)) != len(header):
        raise InputError(f"{path}: a column appears twice in the first line")
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(header):
            raise InputError(f"{path}: row {number} has {len(line)} values, the first line names {len(header)}")
    place = header.index("schema_version")
    written = {line[place] for line in lines[1:] if line[place].isdecimal()}
    others = {text[:20] for text in written if text.lstrip("0") != str(SCHEMA_VERSION)}
    if others:  # first, for another schema has other columns
        check_version(path, "results", max(map(int, others)), SCHEMA_VERSION, then="run it again")
    try:
        check_columns(header)
        return to_frame([dict(zip(header, line, strict=True)) for line in lines[1:]])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def once_per_cell(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row of each cell; rows without a cell key all stay."""
    seen: set[Any] = set()
    kept = []
    for record in records:
        cell = record.get("cell")
        if is_missing(cell) or cell not in seen:
            kept.append(record)
        seen.add(cell)
    return kept


_KIND_WORDS = {"integer": "a whole number", "number": "a number", "flag": "true or false", "text": "text"}


def _convert(value: Any, kind: str) -> Any:
    """`value` as the column's type, None if missing; ValueError if it is something else."""
    if is_missing(value):
        return None
    if kind == "text":
        return str(value).replace("\0", "")  # a NUL ends the text for many CSV readers
    if kind == "flag":
        flags = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
        text = str(value).strip().lower()
        if text not in flags:
            raise ValueError(value)
        return flags[text]
    try:
        if kind == "number":
            number = float(value)
            if isinstance(value, str) and abs(number) > LARGEST:
                raise ValueError(value)
            return None if math.isinf(number) else number  # nothing measured is infinite
        number = int(value) if isinstance(value, str) else value
        if number != int(number) or abs(number) >= 2**63:
            raise ValueError(value)
        return int(number)
    except (TypeError, OverflowError):
        raise ValueError(value) from None


def _to_text(value: Any) -> str:
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
