"""Joules per image, from counters of energy: NVML's on a GPU, RAPL's on a CPU.

An A100 or H100 looks at its power for a quarter of the time only (Yang et al., Part-time power measurements, arXiv
2312.02741), so what is measured is windows of several seconds, each after a rest, and several of them; one of a second
would be noise. RAPL counts whole packages, with whatever else runs on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...pose.errors import InputError
from .nvml import HINT, gpu_of

POWERCAP = Path("/sys/class/powercap")
WINDOW_SECONDS, REST_SECONDS, WINDOWS = 5.0, 2.0, 3
_BURST_SECONDS = 0.1  # calls between two looks at the clock


@dataclass(frozen=True)
class Counter:
    """joules: energy used since some moment, rising. method: what counts, and how much of the machine."""

    joules: Callable[[], float]
    method: str


@dataclass(frozen=True)
class Energy:
    """joules_per_image: in each window. idle_watts: of the rest before the first one. watts: in the windows."""

    joules_per_image: tuple[float, ...]
    watts: float
    idle_watts: float
    seconds: float
    method: str

    def columns(self) -> dict[str, Any]:
        """Those of a row."""
        return {
            "joules_per_image": float(np.median(self.joules_per_image)),
            "joules_per_image_low": min(self.joules_per_image),
            "joules_per_image_high": max(self.joules_per_image),
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
        return Counter(lambda: gpu.joules() or 0.0, "NVML, whole GPU")
    return _rapl(powercap)


def measure_energy(
    call: Callable[[], object],
    images: int,
    counter: Counter,
    *,
    synchronise: Callable[[], None] = lambda: None,
    window: float = WINDOW_SECONDS,
    rest: float = REST_SECONDS,
    windows: int = WINDOWS,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Energy:
    """Energy of calls that handle `images` each, made one after the other for `window` seconds; before each window the
    machine rests for `rest` seconds. The device's work is waited for at both ends of a window."""
    with torch.inference_mode():
        call()
        synchronise()
        sleep(rest)
        before, started = counter.joules(), clock()
        sleep(rest)
        idle = (counter.joules() - before) / max(clock() - started, 1e-9)
        per_image, joules, seconds = [], 0.0, 0.0
        for number in range(windows):
            if number:
                sleep(rest)
            before, started, calls = counter.joules(), clock(), 0
            while (elapsed := clock() - started) < window:
                until = min(window, elapsed + _BURST_SECONDS)
                while clock() - started < until:
                    call()
                    calls += 1
                synchronise()  # or launches would run ahead of the clock
            used = counter.joules() - before
            per_image.append(used / (calls * images))
            joules, seconds = joules + used, seconds + clock() - started
    return Energy(tuple(per_image), joules / seconds, idle, window, counter.method)


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
