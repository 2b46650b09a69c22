"""From where on a reduction saves time: the smallest ratio, and the smallest batch, of each in each runtime.

A claim is the paired 95 % interval of the ratio to the unmasked model's time, all of it below 1 (verdicts.py), of a
timing that is stable on both sides. Ratios are judged from the deepest on and batch sizes from the largest, and the
first that does not save for sure ends it: so tested in a fixed order, every claim of a row is wrong together with the
chance of one, without a correction (W. Maurer, L. Hothorn and W. Lehmacher, 1995).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...row import PartTiming, part_of
from .grouping import SeriesNames, is_elastic, is_unmasked
from .intervals import Estimate
from .results import Spread, is_failed, is_missing, records_of
from .subject import PartLatency
from .timed import times_of
from .verdicts import is_saving, measured_saving

PARTS = {"whole": "latency", "transformer": "latency_transformer"}
#: what must agree for two rows to be of one place to deploy at
PLACE = ("model", "dataset", "input_size", "device", "threads", "runtime", "dtype")


@dataclass(frozen=True)
class Saved:
    """The share of time that one ratio saves at one batch size: (low, high), None where nothing may be claimed."""

    share: float
    interval: tuple[float, float] | None

    @property
    def for_sure(self) -> bool:
        return is_saving(self.interval)


@dataclass(frozen=True)
class BreakEven:
    """One reduction in one place. saved: by (batch size, ratio)."""

    place: Mapping[str, Any]
    mask: str
    part: str
    saved: Mapping[tuple[int, float], Saved]

    @property
    def batch_sizes(self) -> list[int]:
        return sorted({size for size, _ in self.saved})

    @property
    def ratios(self) -> list[float]:
        return sorted({ratio for _, ratio in self.saved})

    def smallest_ratio(self, batch_size: int) -> float | None:
        """From which on every measured ratio saves for sure at a batch size; None: not even the deepest does."""
        return _first_of_a_run([r for r in self.ratios if (batch_size, r) in self.saved],
                               lambda ratio: self.saved[batch_size, ratio].for_sure)  # fmt: skip

    def smallest_batch(self, ratio: float) -> int | None:
        """From which on every measured batch size saves for sure at a ratio; None: not even the largest does."""
        return _first_of_a_run([s for s in self.batch_sizes if (s, ratio) in self.saved],
                               lambda size: self.saved[size, ratio].for_sure)  # fmt: skip

    @property
    def runtime(self) -> str:
        """Runtime, and the precision where it is not float32."""
        dtype = self.place["dtype"]
        return f"{self.place['runtime']}" + (f" {dtype}" if dtype not in (None, "float32") else "")


def _first_of_a_run(values: Sequence[Any], saves: Any) -> Any:
    found = None
    for value in reversed(values):
        if not saves(value):
            break
        found = value
    return found


def break_evens(rows: Sequence[Mapping[str, Any]], part: str = "whole") -> list[BreakEven]:
    """Of rows of a profile or a sweep, by model, mask and runtime in order of appearance; part: whole or transformer.

    Masks without a measured ratio to the unmasked model are left out, and so are rows that failed, and those that were
    timed elsewhere than the others of their place (timed.py).
    """
    records = [row for row in records_of(rows) if not is_failed(row) and not is_elastic(row)]
    members: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in records:
        members.setdefault(_place(row), []).append(row)
    times = {place: times_of(own) for place, own in members.items()}
    records = [row for row in records if times[_place(row)].counts(row)]
    name_of = SeriesNames(records)
    prefix = PARTS[part]
    base = {(*_place(row), row["batch_size"]): _timing(row, prefix) for row in records if is_unmasked(row)}
    found: dict[tuple[Any, ...], dict[tuple[int, float], Saved]] = {}
    for row in records:
        now = None if is_unmasked(row) else _timing(row, prefix)
        if now is None or now.ratio is None or is_missing(row.get("batch_size")):
            continue
        place = _place(row)
        interval = measured_saving(now, base.get((*place, row["batch_size"])))
        key = int(row["batch_size"]), float(row["mask_ratio"] or 0.0)
        found.setdefault((*place, name_of(row)), {}).setdefault(key, Saved(1 - now.ratio.value, interval))
    return [BreakEven(dict(zip(PLACE, key, strict=False)), key[-1], part, saved) for key, saved in found.items()]


def by_model(found: Sequence[BreakEven]) -> dict[str, list[BreakEven]]:
    """What is told together: one model in its runtimes, under the same other conditions. By label."""
    groups: dict[tuple[Any, ...], list[BreakEven]] = {}
    for one in found:
        groups.setdefault(tuple(one.place[name] for name in PLACE if name not in ("runtime", "dtype")), []).append(one)
    models = [key[0] for key in groups]
    labels = {}
    for key, members in groups.items():
        rest = ", ".join(str(part) for part in key[1:] if not is_missing(part))
        labels[f"{key[0]} ({rest})" if models.count(key[0]) > 1 else str(key[0])] = members
    return labels


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in PLACE)


def _timing(row: Mapping[str, Any], prefix: str) -> PartLatency | None:
    timing: PartTiming = part_of(row, prefix)
    if is_missing(timing.ms_median):
        return None
    ends = (timing.vs_unmasked, timing.vs_unmasked_low, timing.vs_unmasked_high)
    ratio = None if any(map(is_missing, ends)) else Estimate(*ends)
    median = Spread(timing.ms_median, None, timing.ms_median, timing.ms_median, 1)
    return PartLatency(median, timing.ms_iqr, bool(timing.unstable), ratio)


def break_even_words(one: BreakEven, batch_size: int) -> str:
    """ "from 0.4", or "never up to 0.8", at one batch size."""
    ratios = [ratio for size, ratio in one.saved if size == batch_size]
    if not ratios:
        return ""
    ratio = one.smallest_ratio(batch_size)
    if ratio is not None:
        return f"from {ratio:g}"
    if any(one.saved[batch_size, r].interval is None for r in ratios):
        return "undecided (unstable)"
    return f"never up to {max(ratios):g}"
