"""Joules per image, from counters of energy: NVML's on a GPU, RAPL's on a CPU.

An A100 or H100 looks at its power for a quarter of the time only (Yang et al., Part-time power measurements, arXiv
2312.02741), so what is measured is windows of several seconds, each after a rest, and several of them; one of a second
would be noise. What is compared takes its windows in turns, as a machine that grows warm uses more. RAPL counts whole
packages, with whatever else runs on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...pose.errors import InputError
from .nvml import HINT, Gpu, gpu_of
from .processes import over_processes

POWERCAP = Path("/sys/class/powercap")
WINDOW_SECONDS, REST_SECONDS, WINDOWS = 5.0, 2.0, 3
_BURST_SECONDS = 0.1  # calls between two looks at the clock


class CounterLost(Exception):
    """A counter of energy that told it before does not any more."""


@dataclass(frozen=True)
class Counter:
    """joules: energy used since some moment, rising. method: what counts, and how much of the machine."""

    joules: Callable[[], float]
    method: str


@dataclass(frozen=True)
class Energy:
    """joules_per_image: in each window. watts: in the windows. idle_watts: of a rest before all of them."""

    joules_per_image: tuple[float, ...]
    watts: float
    idle_watts: float
    seconds: float
    method: str

    def columns(self, unmasked: Energy | None = None) -> dict[str, Any]:
        """Those of a row. unmasked: what it is compared with, measured in turns with it."""
        remains: tuple[float | None, ...] = (None, None, None)
        if unmasked is not None:
            pairs = zip(self.joules_per_image, unmasked.joules_per_image, strict=True)
            remains = over_processes([own / base for own, base in pairs])  # of a window as of a process there are few
        return {
            "joules_per_image": float(np.median(self.joules_per_image)),
            "joules_per_image_low": min(self.joules_per_image),
            "joules_per_image_high": max(self.joules_per_image),
            "joules_vs_unmasked": remains[0],
            "joules_vs_unmasked_low": remains[1],
            "joules_vs_unmasked_high": remains[2],
            "watts": self.watts,
            "watts_idle": self.idle_watts,
            "energy_method": f"{self.method}, {len(self.joules_per_image)} windows of {self.seconds:g} s",
        }


def energy_counter(device: torch.device, powercap: Path = POWERCAP) -> Counter:
    """The counter of a device. InputError where there is none that may be read."""
    if device.type == "cuda":
        gpu = gpu_of(device)
        if gpu is None:
            raise InputError(f"energy of a GPU is NVML's to count, which is not there: {HINT}")
        if gpu.joules() is None:
            raise InputError(f"{torch.cuda.get_device_name(device)} has no counter of energy (Volta and later do)")
        return Counter(partial(_told_by, gpu), "NVML, whole GPU")
    return _rapl(powercap)


def _told_by(gpu: Gpu) -> float:
    joules = gpu.joules()
    if joules is None:
        raise CounterLost("NVML does not tell the energy any more")
    return joules


def measure_energy(
    calls: Mapping[Any, Callable[[], object]],
    images: int,
    counter: Counter,
    *,
    synchronise: Callable[[], None] = lambda: None,
    window: float = WINDOW_SECONDS,
    rest: float = REST_SECONDS,
    windows: int = WINDOWS,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[int, int], object] | None = None,
) -> dict[Any, Energy]:
    """Energy of calls that handle `images` each. In each of `windows` rounds each is made again and again for `window`
    seconds, behind `rest` seconds in which the machine rests, the rounds forwards and backwards in turns. The device's
    work is waited for at both ends of a window. progress(done, total) is called after each window. CounterLost as it
    says.
    """
    found: dict[Any, list[tuple[float, float, int]]] = {name: [] for name in calls}

    def used_by(call: Callable[[], object]) -> tuple[float, float, int]:
        before, started, made = counter.joules(), clock(), 0
        while (elapsed := clock() - started) < window:
            until = min(window, elapsed + _BURST_SECONDS)
            while clock() - started < until:
                call()
                made += 1
            synchronise()  # or launches would run ahead of the clock
        return counter.joules() - before, clock() - started, made

    with torch.inference_mode():
        for call in calls.values():
            call()
        synchronise()
        sleep(rest)
        before, started = counter.joules(), clock()
        sleep(rest)
        idle = (counter.joules() - before) / max(clock() - started, 1e-9)
        order: list[Hashable] = list(calls)
        for number in range(windows * len(order)):
            if number:
                sleep(rest)
            name = order[number % len(order)]
            found[name].append(used_by(calls[name]))
            if (number + 1) % len(order) == 0:
                order.reverse()
            if progress is not None:
                progress(number + 1, windows * len(order))
    return {name: _energy(taken, images, idle, window, counter.method) for name, taken in found.items()}


def _energy(taken: list[tuple[float, float, int]], images: int, idle: float, window: float, method: str) -> Energy:
    joules, seconds, _ = map(sum, zip(*taken, strict=True))
    per_image = tuple(used / (made * images) for used, _, made in taken)
    return Energy(per_image, joules / seconds, idle, window, method)


def _rapl(powercap: Path) -> Counter:
    """Packages and, where they are counted apart, their memory: `intel-rapl:0` and its `intel-rapl:0:N` named dram."""
    zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if _counts(zone)]
    if not zones:
        raise InputError(f"energy of a CPU is RAPL's to count ({powercap}), which this machine does not have")
    try:
        readers = [_Zone(zone) for zone in zones]
    except PermissionError as error:
        raise InputError(f"{error.filename}: only root may read the CPU's energy here; have it made readable") from None
    except (OSError, ValueError):
        raise InputError(f"{powercap}: counts no energy that can be read") from None
    names = " and ".join(dict.fromkeys(zone.name.rstrip("-0123456789") for zone in readers))
    return Counter(lambda: sum(zone.joules() for zone in readers), f"RAPL, {names}")


def _counts(zone: Path) -> bool:
    try:
        name = (zone / "name").read_text().strip()
    except OSError:
        return False
    return name == "dram" if zone.name.count(":") > 1 else name.startswith("package")


class _Zone:
    """A zone's counter, which begins anew at max_energy_range_uj."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self.name = (folder / "name").read_text().strip()
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last, self._rounds = self._read(), 0

    def _read(self) -> int:
        return int(self._file.read_text())

    def joules(self) -> float:
        now = self._read()
        self._rounds += now < self._last
        self._last = now
        return (now + self._rounds * self._range) / 1e6
