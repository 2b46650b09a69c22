"""equal_gflopst.csv: the masks of a model side by side where each of them costs the same GFLOPsT."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..pose.errors import InputError
from .headline import listed

COLUMNS: tuple[str, ...] = (
    "model",
    "saving",
    "gflops_t",
    "mask",
    "mask_ratio",
    "mask_ratio_mean",
    "ap",
    "ap_low",
    "ap_high",
    "ap_std",
    "seeds",
    "best",
    "from_best",
    "from_best_low",
    "from_best_high",
    "from_random",
    "from_random_low",
    "from_random_high",
)


@dataclass(frozen=True)
class Difference:
    """AP minus another mask's AP, with the paired 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def is_told_apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Standing:
    """One mask at one GFLOPsT. `ratio` and `mean_ratio` (over blocks) are the interpolated mask ratios it takes."""

    mask: str
    ratio: float
    mean_ratio: float | None
    ap: float
    interval: tuple[float, float] | None
    std: float | None
    seeds: int | None
    is_best: bool
    from_best: Difference | None
    from_random: Difference | None


@dataclass(frozen=True)
class EqualPoint:
    """All masks of a model at one GFLOPsT (1e9 MAC); `saving` is the fraction of the unmasked GFLOPsT saved."""

    model: str
    saving: float
    gflops_t: float
    standings: Sequence[Standing]

    @property
    def best(self) -> Standing:
        """The mask of the highest AP."""
        return next(standing for standing in self.standings if standing.is_best)


def read_equal(path: Path) -> list[EqualPoint]:
    """The points of a file, by model in order of appearance and rising saving; none if the file is absent.

    Raises InputError, one line naming the file, if it is no CSV text, lacks columns, holds a value that is not of its
    column's kind, or has a point without exactly one best mask.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file ({error})") from None
    header = lines[0] if lines else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(f"{path}: not a comparison at equal GFLOPsT: column {', '.join(missing[:3])}{more} missing")
    groups: dict[tuple[str, float], list[tuple[float, Standing]]] = {}
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(header):
            raise InputError(f"{path}: row {number} has {len(line)} values, the first line names {len(header)}")
        row = _Row(path, number, dict(zip(header, line, strict=True)))
        key = (row.text("model"), row.number("saving"))
        groups.setdefault(key, []).append((row.number("gflops_t"), _standing(row)))
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
        points.append(EqualPoint(model, saving, members[0][0], standings))
    models = list(dict.fromkeys(point.model for point in points))
    return sorted(points, key=lambda point: (models.index(point.model), point.saving))


def equal_sentence(point: EqualPoint) -> str:
    """What the point says, in words: which mask is best, how far above random, and which are not told apart from it."""
    best = point.best
    interval = f" ({best.interval[0]:.3f} to {best.interval[1]:.3f})" if best.interval else ""
    text = f"At {saved_text(point)} less GFLOPsT than unmasked, {best.mask} is best: AP {best.ap:.3f}{interval}"
    others = [standing for standing in point.standings if standing is not best]
    if not others:
        return f"{text}. No other mask reaches this point."
    if best.from_random:
        found = best.from_random
        text += f", {found.mean:.3f} ({found.low:.3f} to {found.high:.3f}) above random"
    judged = [standing for standing in others if standing.from_best]
    close = [standing.mask for standing in judged if not standing.from_best.is_told_apart]
    if not judged:
        return f"{text}."
    if not close:
        return f"{text}; every other mask is told apart from it."
    are = "is" if len(close) == 1 else "are"
    return f"{text}; {listed(close)} {are} not told apart from it."


def saved_text(point: EqualPoint) -> str:
    """The saving as people say it: "20 %", its sign held by a no-break space; decimals only where there are some."""
    return f"{round(100 * point.saving, 1):g}\N{NO-BREAK SPACE}%"


def _standing(row: _Row) -> Standing:
    low, high = row.maybe("ap_low"), row.maybe("ap_high")
    seeds = row.maybe("seeds")
    return Standing(
        mask=row.text("mask"),
        ratio=row.number("mask_ratio"),
        mean_ratio=row.maybe("mask_ratio_mean"),
        ap=row.number("ap"),
        interval=None if low is None or high is None else (low, high),
        std=row.maybe("ap_std"),
        seeds=None if seeds is None else int(seeds),
        is_best=row.flag("best"),
        from_best=row.difference("from_best"),
        from_random=row.difference("from_random"),
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
        found = self.maybe(name)
        if found is None:
            raise self._wrong(name, "empty; a number is right")
        return found

    def maybe(self, name: str) -> float | None:
        text = self.values[name]
        if text == "":
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(name, f"{text!r} is not a number")
        return number

    def flag(self, name: str) -> bool:
        text = self.values[name].strip().lower()
        if text not in ("true", "false", ""):
            raise self._wrong(name, f"{self.values[name]!r} is not true or false")
        return text == "true"

    def difference(self, name: str) -> Difference | None:
        found = [self.maybe(column) for column in (name, f"{name}_low", f"{name}_high")]
        return None if None in found else Difference(*found)

    def _wrong(self, name: str, problem: str) -> InputError:
        return InputError(f"{self.path}: row {self.number_of_row}, column {name}: {problem}")
