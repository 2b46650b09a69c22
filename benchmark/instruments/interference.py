"""Did another job disturb a measurement? What this process got of the CPUs, and what others took meanwhile."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

#: Shares above which a measurement is called contended.
FOREIGN_LIMIT = 0.10
WAITING_LIMIT = 0.05
#: /proc/stat counts in ticks of 10 ms; a reading may be off by this much per CPU, at the start and at the end.
_TICK_SECONDS = 0.02
_TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Interference:
    """CPU use during a measurement, as shares (None: the system does not tell).

    own_share: CPU time of this process over wall time x threads; low when it waited, for whatever reason.
    foreign_share: of the CPUs that this process may use, the share of their time that went to other processes, to
        interrupts or (steal) to another virtual machine.
    waiting_share: time that this process's threads were ready to run but had no CPU, over wall time.
    """

    own_share: float
    foreign_share: float | None
    waiting_share: float | None

    @property
    def contended(self) -> bool:
        """True when others took more than a tenth of the CPUs' time, or this process waited more than a twentieth."""
        return (self.foreign_share or 0.0) > FOREIGN_LIMIT or (self.waiting_share or 0.0) > WAITING_LIMIT


class CpuWatch:
    """Starts looking when made; `finish(threads)` gives the Interference since then."""

    def __init__(self) -> None:
        self._cpus = _usable_cpus()
        self._waited = _waited_seconds()
        self._busy = _busy_seconds(self._cpus)
        self._own = time.process_time()
        self._thread = time.thread_time()
        self._start = time.perf_counter()

    def finish(self, threads: int) -> Interference:
        """The interference since the watch was made, for a job of so many computing threads."""
        wall = max(time.perf_counter() - self._start, 1e-9)
        own = time.process_time() - self._own
        thread = time.thread_time() - self._thread
        busy, waited = _busy_seconds(self._cpus), _waited_seconds()
        foreign = None
        if busy is not None and self._busy is not None:
            seconds = max(busy - self._busy - own - _TICK_SECONDS * len(self._cpus), 0.0)
            foreign = min(seconds / (wall * len(self._cpus)), 1.0)
        waiting = None
        if waited is not None and self._waited is not None:
            waiting = max(waited - self._waited, 0.0) / wall
        elif threads == 1:
            waiting = max(1 - thread / wall, 0.0)  # a lone computing thread that has no CPU time is waiting for one
        return Interference(own / (wall * threads), foreign, waiting)


def usable_cores() -> int:
    """How many CPUs this process may run on."""
    return len(_usable_cpus())


def _usable_cpus() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy_seconds(cpus: list[int]) -> float | None:
    """Seconds that the given CPUs were not idle since boot; None where the system does not say."""
    try:
        times = psutil.cpu_times(percpu=True)
        chosen = [times[cpu] for cpu in cpus]
    except (OSError, IndexError, RuntimeError):
        return None
    # guest time is contained in user time, and waiting for a disk is idling
    idle = ("idle", "iowait", "guest", "guest_nice")
    busy = sum(value for cpu in chosen for name, value in cpu._asdict().items() if name not in idle)
    return busy if busy else None  # sandboxes show zeros


def _waited_seconds() -> float | None:
    """Seconds that this process's threads spent runnable but not running (Linux: second field of schedstat)."""
    waited = 0
    try:
        for task in _TASKS.iterdir():
            try:
                waited += int((task / "schedstat").read_text().split()[1])
            except ProcessLookupError:  # the thread ended
                continue
    except (OSError, IndexError, ValueError):
        return None
    return waited / 1e9
