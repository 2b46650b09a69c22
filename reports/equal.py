"""equal_gflopst.csv: the masks of a model side by side where each of them costs the same GFLOPsT."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..pose.errors import InputError
from .grouping import AP, Metric
from .verdicts import is_told_apart
from .wording import listed

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
_RANDOM = "random"


@dataclass(frozen=True)
class Difference:
    """AP minus another mask's AP, with the paired 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def is_told_apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return is_told_apart(self.low, self.high)


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


def equal_sentence(point: EqualPoint, metric: Metric = AP) -> str:
    """Who has the highest accuracy, who is not told apart from it, and who is behind; to lead, all must be behind.

    Of those behind, random is told with its distance: a method that looks at the image must beat it.
    """
    best = point.best
    digits = metric.digits
    interval = f" ({best.interval[0]:.{digits}f} to {best.interval[1]:.{digits}f})" if best.interval else ""
    accuracy = f"{best.ap:.{digits}f}{interval}"
    start = f"At {saved_text(point)} less GFLOPsT than unmasked, "
    others = [standing for standing in point.standings if standing is not best]
    if not others:
        return f"{start}{best.mask} has {metric.name} {accuracy}; no other mask reaches this point."
    judged = [standing for standing in others if standing.from_best]
    if not judged:
        return f"{start}{best.mask} has the highest {metric.name}, {accuracy}; no interval says whether it leads."
    close = [f"{s.mask} ({s.ap:.{digits}f})" for s in judged if not s.from_best.is_told_apart]
    behind = [_behind(standing, digits) for standing in judged if standing.from_best.is_told_apart]
    if not close:
        return (
            f"{start}{best.mask} leads with {metric.name} {accuracy}; told apart from it and behind: {listed(behind)}."
        )
    text = (
        f"{start}no mask is shown to lead: {best.mask} has the highest {metric.name}, {accuracy}, and {listed(close)}"
    )
    text += f" {'is' if len(close) == 1 else 'are'} not told apart from it"
    return f"{text}; behind it: {listed(behind)}." if behind else f"{text}."


def _behind(standing: Standing, digits: int) -> str:
    if standing.mask != _RANDOM:
        return standing.mask
    found = standing.from_best
    mean, low, high = (f"{value:.{digits}f}" for value in (-found.mean, -found.high, -found.low))
    return f"{_RANDOM}, by {mean} ({low} to {high})"


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
