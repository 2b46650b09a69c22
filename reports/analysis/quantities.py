"""What a configuration may save: time, energy, memory or multiply-adds, against the unmasked model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...pose.errors import InputError
from .intervals import Estimate
from .subject import PartLatency, Point, Subject, Timing, mean_of, saving
from .verdicts import few_samples, process_words, silence, time_saved

TIME, GFLOPS_T = "time", "gflops_t"
#: names of columns that are taken, too
_NAMES = {
    "latency": TIME,
    "latency_transformer": "transformer_time",
    "peak_memory_mib": "memory",
    "joules_per_image": "energy",
}


@dataclass(frozen=True)
class Quantity:
    """words: as in "saves the most time". timed: it depends on the batch size. saved: of a point, its baseline and a
    batch size."""

    name: str
    words: str
    timed: bool
    saved: Callable[[Point, Point, int | None], Estimate | None]

    def of(self, subject: Subject, point: Point, size: int | None) -> Estimate | None:
        """The fraction saved with its 95 % interval, which is a point for counts; None where nothing may be claimed."""
        return self.saved(point, subject.baseline, size) if subject.baseline else None


def silent_about(quantity: Quantity, subject: Subject, point: Point, size: int | None) -> str:
    """Why nothing is claimed of a saving: "unstable timing", "no interval", "not measured"."""
    if not quantity.timed:
        return "not counted"
    now, before = _timing(point, size), _timing(subject.baseline, size)
    if quantity.name in ("memory", "energy") or not now or not before or not _part(quantity.name, now):
        return "not measured"
    return silence(_part(quantity.name, now), _part(quantity.name, before))


def behind(quantity: Quantity, subject: Subject, point: Point, size: int | None) -> str:
    """The processes and, where they are few, the samples behind a saving of time; "" of anything else."""
    if quantity.name not in (TIME, "transformer_time"):
        return ""
    timings = (_timing(point, size), _timing(subject.baseline, size))
    parts = [_part(quantity.name, timing) for timing in timings if timing]
    return process_words(min(part.processes for part in parts if part)) + few_samples(*parts)


def quantity_of(text: str, option: str) -> Quantity:
    """The quantity called so; InputError naming what there is."""
    name = _NAMES.get(text, text)
    if name not in QUANTITIES:
        raise InputError(f"{option} {text!r} is nothing that can be saved; one of {', '.join(QUANTITIES)}")
    return QUANTITIES[name]


def _part(name: str, timing: Timing) -> PartLatency | None:
    return timing.whole if name == TIME else timing.transformer


def _timing(point: Point | None, size: int | None) -> Timing | None:
    return point.timings.get(size) if point and size is not None else None


def _time(name: str) -> Callable[[Point, Point, int | None], Estimate | None]:
    def saved(point: Point, baseline: Point, size: int | None) -> Estimate | None:
        timings = _timing(point, size), _timing(baseline, size)
        return time_saved(*(timing and _part(name, timing) for timing in timings))

    return saved


def _exact(value: float | None, base: float | None) -> Estimate | None:
    fraction = saving(value, base)
    return None if fraction is None else Estimate(fraction, fraction, fraction)


def _memory(point: Point, baseline: Point, size: int | None) -> Estimate | None:
    now, before = _timing(point, size), _timing(baseline, size)
    return _exact(mean_of(now.memory), mean_of(before.memory)) if now and before else None


def _energy(point: Point, baseline: Point, size: int | None) -> Estimate | None:
    now = _timing(point, size)
    if not now or not now.energy:
        return None
    remains, low, high, df = now.energy
    return Estimate(1 - remains, 1 - high, 1 - low, df)


_TABLE = (
    Quantity(TIME, "time", True, _time(TIME)),
    Quantity("transformer_time", "transformer time", True, _time("transformer_time")),
    Quantity(GFLOPS_T, "GFLOPsT", False, lambda point, base, size: _exact(point.gflops_t, base.gflops_t)),
    Quantity("gflops", "GFLOPs", False, lambda point, base, size: _exact(point.gflops, base.gflops)),
    Quantity("memory", "peak memory", True, _memory),
    Quantity("energy", "energy", True, _energy),
)
QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _TABLE}
