"""Whose times are compared: those of different machines, or of one under different software, never are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .grouping import is_unmasked
from .results import is_missing

#: times are averaged and compared only where these agree
PLACE: tuple[str, ...] = ("timed_on", "device_name", "processor", "torch_version", "torch_build")
_TIMES = ("latency_ms_median", "latency_transformer_ms_median")
#: how columns begin that hold what was clocked there, or metered
_CLOCKED = ("latency", "throughput", "joules", "padded_ms")

Place = tuple[Any, ...]


@dataclass(frozen=True)
class Times:
    """place: where the times of some rows were taken that are compared; None: where none was, or all in one. left_out:
    how many rows were timed elsewhere; elsewhere: where, in words."""

    place: Place | None = None
    left_out: int = 0
    here: str = ""
    elsewhere: tuple[str, ...] = ()

    def counts(self, row: Mapping[str, Any]) -> bool:
        """Whether the row's times are compared."""
        return self.place is None or place_of(row) == self.place


ALL_TIMES = Times()


def times_of(rows: Sequence[Mapping[str, Any]]) -> Times:
    """The times to compare among rows of one subject: of the place where the unmasked model and most others were timed.
    """
    timed = [row for row in rows if not all(is_missing(row.get(name)) for name in _TIMES)]
    places = Counter(map(place_of, timed))
    if len(places) < 2:
        return ALL_TIMES
    with_baseline = {place_of(row) for row in timed if is_unmasked(row)}
    chosen = max(places, key=lambda place: (place in with_baseline, places[place]))
    differing = [n for n, name in enumerate(PLACE) if len({place[n] for place in places}) > 1]
    words = {place: ", ".join(str(place[n]) for n in differing if not is_missing(place[n])) for place in places}
    others = tuple(words[place] for place in places if place != chosen)
    return Times(chosen, len(timed) - places[chosen], words[chosen], others)


def is_clocked(column: str) -> bool:
    """Whether a column is of the place of its row alone."""
    return column.startswith(_CLOCKED)


def times_sentence(label: str, times: Times) -> str:
    """What is told of times that are not compared; "" where all are."""
    if not times.left_out:
        return ""
    rows = "1 row" if times.left_out == 1 else f"{times.left_out} rows"
    return (
        f"{label}: times are those of {times.here or 'one place'}; those of {rows} that were timed elsewhere"
        f" ({'; '.join(times.elsewhere)}) are compared with nothing."
    )


def place_of(row: Mapping[str, Any]) -> Place:
    """Where a row was timed."""
    return tuple(None if is_missing(row.get(name)) else row.get(name) for name in PLACE)
