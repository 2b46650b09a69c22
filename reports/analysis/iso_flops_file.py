"""equal_gflopst.csv: the comparison of masks at equal GFLOPsT, written by a sweep and read by its report.

The columns of the accuracy are named after the data set's metric (ap, ap_low, ap_high, ap_std, or pckh, ...), those of
the differences after what they are to: from_best, and from_ with the name of each control.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...pose.errors import InputError
from ...pose.files import read_text, write_atomic
from ...pose.metrics import AP, METRICS, Metric
from .iso_flops import Difference, IsoFlopsPoint, Standing
from .results import LARGEST

#: the file's name in a sweep's folder
FILE_NAME = "equal_gflopst.csv"
_FROM, _BEST = "from_", "from_best"


def columns_of(metric: Metric, controls: Sequence[str]) -> tuple[str, ...]:
    """The file's columns, in order."""
    to = (_BEST, *(_FROM + control for control in controls))
    return (
        "model", "saving", "gflops_t", "mask", "mask_ratio", "mask_ratio_mean", *_accuracy_columns(metric), "seeds",
        "best", *(column for name in to for column in _difference_columns(name)),
    )  # fmt: skip


def _accuracy_columns(metric: Metric) -> tuple[str, ...]:
    return tuple(metric.column + ending for ending in ("", "_low", "_high", "_std"))


def _difference_columns(name: str) -> tuple[str, ...]:
    return name, f"{name}_low", f"{name}_high"


def write_iso_flops(path: Path, points: Sequence[IsoFlopsPoint]) -> None:
    """Write at least one point, all of one metric, whole or not at all.

    `read_iso_flops` gives them back.
    """
    metric, controls = points[0].metric, list(dict.fromkeys(name for point in points for name in point.controls))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns_of(metric, controls))
    for point in points:
        for standing in point.standings:
            row = [point.model, point.saving, point.gflops_t, standing.mask, standing.ratio, standing.mean_ratio]
            row += [standing.accuracy, *(standing.interval or (None, None)), standing.std, standing.seeds]
            differences = standing.from_best, *map(standing.from_controls.get, controls)
            row += [standing.is_best, *(end for difference in differences for end in _ends(difference))]
            writer.writerow(map(_text, row))
    write_atomic(path, text.getvalue())


def _ends(difference: Difference | None) -> tuple[float | None, ...]:
    return (difference.mean, difference.low, difference.high) if difference else (None, None, None)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else str(value)


def read_iso_flops(path: Path) -> list[IsoFlopsPoint]:
    """The points of a file, by model in order of appearance and rising saving; none if the file is absent.

    Raises InputError, one line naming the file, if it is no CSV text, lacks columns, holds a value that is not of its
    column's kind, or has a point without exactly one best mask.
    """
    path = Path(path)
    try:
        lines = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file ({error})") from None
    header = lines[0] if lines else []
    metric = next((metric for metric in METRICS if metric.column in header), AP)
    controls = tuple(name.removeprefix(_FROM) for name in header if name.startswith(_FROM) and name != _BEST
                     and not name.endswith(("_low", "_high")))  # fmt: skip
    missing = [name for name in columns_of(metric, controls) if name not in header]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(f"{path}: not a comparison at equal GFLOPsT: column {', '.join(missing[:3])}{more} missing")
    groups: dict[tuple[str, float], list[tuple[float, Standing]]] = {}
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(header):
            raise InputError(f"{path}: row {number} has {len(line)} values, the first line names {len(header)}")
        row = _Row(path, number, dict(zip(header, line, strict=True)))
        key = (row.text("model"), row.number("saving"))
        groups.setdefault(key, []).append((row.number("gflops_t"), _standing(row, metric, controls)))
    points = []
    for (model, saving), members in groups.items():
        standings = [standing for _, standing in members]
        masks = [standing.mask for standing in standings]
        where = f"{path}: {model} at a saving of {saving:g}"
        if len(set(masks)) != len(masks):
            raise InputError(f"{where} has a mask twice; one row each is right")
        best = sum(standing.is_best for standing in standings)
        if best != 1:
            raise InputError(f"{where} has {best} rows marked best; exactly one is right")
        points.append(IsoFlopsPoint(model, saving, members[0][0], standings, metric, controls))
    models = list(dict.fromkeys(point.model for point in points))
    return sorted(points, key=lambda point: (models.index(point.model), point.saving))


def _standing(row: _Row, metric: Metric, controls: Sequence[str]) -> Standing:
    accuracy, *names, std = _accuracy_columns(metric)
    low, high = map(row.maybe, names)
    seeds = row.maybe("seeds")
    return Standing(
        mask=row.text("mask"),
        ratio=row.number("mask_ratio"),
        mean_ratio=row.maybe("mask_ratio_mean"),
        accuracy=row.number(accuracy),
        interval=None if low is None or high is None else (low, high),
        std=row.maybe(std),
        seeds=None if seeds is None else int(seeds),
        is_best=row.flag("best"),
        from_best=row.difference(_BEST),
        from_controls={control: found for control in controls if (found := row.difference(f"{_FROM}{control}"))},
    )


@dataclass(frozen=True)
class _Row:
    """A line of the file; its values are read with errors that say where they stand."""

    path: Path
    number_of_row: int
    values: Mapping[str, str]

    def text(self, name: str) -> str:
        if not self.values[name]:
            raise self._wrong(name, "empty; a name is right")
        return self.values[name]

    def number(self, name: str) -> float:
        number = self.maybe(name)
        if number is None:
            raise self._wrong(name, "empty; a number is right")
        return number

    def maybe(self, name: str) -> float | None:
        text = self.values[name]
        if text == "":
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not abs(number) <= LARGEST:
            raise self._wrong(name, f"{text!r} is not a number")
        return number

    def flag(self, name: str) -> bool:
        text = self.values[name].strip().lower()
        if text not in ("true", "false", ""):
            raise self._wrong(name, f"{self.values[name]!r} is not true or false")
        return text == "true"

    def difference(self, name: str) -> Difference | None:
        ends = [self.maybe(column) for column in _difference_columns(name)]
        return None if None in ends else Difference(*ends)

    def _wrong(self, name: str, problem: str) -> InputError:
        return InputError(f"{self.path}: row {self.number_of_row}, column {name}: {problem}")
