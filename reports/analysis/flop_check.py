"""Comparing two lists of FLOP counts: the regression check behind `posebench flops --check`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...pose.errors import InputError
from ...pose.files import read_text, write_atomic
from ...pose.reductions import NONE
from ...pose.schema import check_version

VERSION = 1
KEY = ("model", "dataset", "input_size", "mask", "mask_ratio")
#: of models without keypoint tokens only
DECODER = "decoder"
INTEGERS = ("tokens_total", "tokens_kept", "params", "macs", "macs_transformer")
#: of models that cut connections only
NEEDED = "macs_needed"
#: in the published convention there is no integer to compare
NUMBERS = ("published_gflops", "published_gflops_t")
#: of published counts, which papers give to two digits; far below any change of a model
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """One count that moved. A row or part that only one side has is shown with None on the other."""

    model: str
    dataset: str
    input_size: str
    mask: str
    mask_ratio: float
    decoder: str
    field: str
    old: int | float | None
    new: int | float | None

    def row(self) -> dict[str, Any]:
        """The difference as a row for `tables.render_rows`."""
        return {name: value for name, value in asdict(self).items() if name != "decoder" or value}

    def __str__(self) -> str:
        masked = self.mask if self.mask == NONE else f"{self.mask} {self.mask_ratio:g}"
        model = f"{self.model} {self.decoder}".rstrip()
        return f"{model} {self.dataset} {self.input_size} {masked}: {self.field} was {self.old}, is {self.new}"


def compare_counts(saved: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Every count that differs between two lists of FLOP rows; empty when all are equal.

    Rows are matched by model, dataset, input size, mask, ratio and, where there is one, decoder. Integers (parameters,
    tokens, multiply-adds, parts) must be equal, published counts equal to nine decimals. A row on one side only differs
    in the field "row".
    """
    old_rows, new_rows = _by_key(saved), _by_key(now)
    moved = []
    for key in [*old_rows, *(key for key in new_rows if key not in old_rows)]:
        old, new = old_rows.get(key), new_rows.get(key)
        if old is None or new is None:
            counts = [None if row is None else row.get("macs") for row in (old, new)]
            moved.append(Difference(*key, "row", *counts))
            continue
        old, new = _counts(old), _counts(new)
        for field in dict.fromkeys([*old, *new]):
            before, after = old.get(field), new.get(field)
            if not _equal(field, before, after):
                moved.append(Difference(*key, field, before, after))
    return moved


def save_counts(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write FLOP rows for a later check: the fields that `compare_counts` reads, and no others."""
    kept = [{**_named(_key(row)), **_nested(row)} for row in rows]
    write_atomic(path, json.dumps({"posebench_flops": VERSION, "rows": kept}, indent=1, ensure_ascii=False) + "\n")


def read_counts(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of `save_counts`.

    Raises InputError naming the file if it is absent, no JSON, of another version, without rows, or if a row lacks a
    field, holds something else than a number there, or occurs twice.
    """
    path = Path(path)
    try:
        content = json.loads(read_text(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `posebench flops --save {path}` writes one") from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON (line {error.lineno}: {error.msg})") from None
    except ValueError as error:  # endless digits
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, dict) or "posebench_flops" not in content:
        raise InputError(f'{path}: not a file of `posebench flops --save` (no key "posebench_flops")')
    check_version(path, "FLOP baseline", content["posebench_flops"], VERSION, then="write it anew with --save")
    rows = content.get("rows")
    if not isinstance(rows, list):
        raise InputError(f'{path}: "rows" must be a list of counts')
    if not rows:
        raise InputError(f"{path}: holds no counts, so nothing would be checked; `posebench flops --save` writes some")
    seen = set()
    for number, row in enumerate(rows, 1):
        _check(row, f"{path}: row {number}")
        if _key(row) in seen:
            raise InputError(f"{path}: row {number} counts {row['model']} {row['mask']} {row['mask_ratio']} once more")
        seen.add(_key(row))
    return rows


def _check(row: Any, where: str) -> None:
    if not isinstance(row, dict):
        raise InputError(f"{where} is not an object")
    missing = [name for name in (*KEY, *INTEGERS, *NUMBERS, "parts") if name not in row]
    if missing:
        raise InputError(f"{where} lacks {', '.join(missing)}")
    for name in (*KEY[:4], *([DECODER] if DECODER in row else [])):
        if not isinstance(row[name], str):
            raise InputError(f"{where}: {name} must be text, not {row[name]!r}")
    for name in ("mask_ratio", *NUMBERS):
        if not isinstance(row[name], (int, float)) or isinstance(row[name], bool) or not abs(row[name]) < 1e300:
            raise InputError(f"{where}: {name} must be a number, not {row[name]!r}")
    if not isinstance(row["parts"], dict):
        raise InputError(f"{where}: parts must be an object of counts")
    integers = [name for name in (*INTEGERS, NEEDED) if name in row]
    for name, value in [*((name, row[name]) for name in integers), *row["parts"].items()]:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{where}: {name} must be a whole number, not {value!r}")


def _by_key(rows: Sequence[Mapping[str, Any]]) -> dict[tuple, Mapping[str, Any]]:
    return {_key(row): row for row in rows}


def _key(row: Mapping[str, Any]) -> tuple:
    size = row["input_size"]
    size = size if isinstance(size, str) else "x".join(str(int(side)) for side in size)
    # 1 - 0.6 and 0.4 are the same ratio.
    ratio = round(float(row["mask_ratio"] or 0.0), 9)
    return (str(row["model"]), str(row["dataset"]), size, str(row["mask"]), ratio, str(row.get(DECODER) or ""))


def _named(key: tuple) -> dict[str, Any]:
    """A key by name; a decoder only where there is one."""
    return {name: value for name, value in zip((*KEY, DECODER), key, strict=True) if name != DECODER or value}


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    integers = {name: int(row[name]) for name in (*INTEGERS, NEEDED) if row.get(name) is not None}
    numbers = {name: float(row[name]) for name in NUMBERS}
    return {**integers, **numbers, "parts": {name: int(value) for name, value in row["parts"].items()}}


def _counts(row: Mapping[str, Any]) -> dict[str, int | float]:
    nested = _nested(row)
    parts = nested.pop("parts")
    return {**nested, **{f"parts.{name}": value for name, value in parts.items()}}


def _equal(field: str, before: float | None, after: float | None) -> bool:
    if before is None or after is None or field not in NUMBERS:
        return before == after
    return abs(before - after) <= _TOLERANCE
