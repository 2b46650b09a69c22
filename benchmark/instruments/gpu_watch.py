"""How a GPU fares during a measurement: its clock at each sample, why it was lowered, and who else computes there."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from .nvml import Gpu


@dataclass(frozen=True)
class GpuState:
    """clock_mhz: median over the samples. throttled_by: why the clock was lowered in samples that were kept.
    discarded: rounds thrown away because it was. others: processes beside this one, before or after, the more."""

    clock_mhz: float | None
    throttled_by: tuple[str, ...]
    discarded: int
    others: int | None

    def columns(self) -> dict[str, Any]:
        """Those of a row."""
        return {
            "gpu_clock_mhz": self.clock_mhz,
            "gpu_throttled": ", ".join(self.throttled_by) or None,
            "gpu_discarded": self.discarded,
            "gpu_others": self.others,
        }


class GpuWatch:
    """Looks at a GPU after each sample; without one (None) every round is good, and there is nothing to say."""

    def __init__(self, gpu: Gpu | None) -> None:
        self._gpu = gpu
        self._clocks: list[int] = []
        self._reasons: list[tuple[str, ...]] = []
        self._now: set[str] = set()
        self._others = [gpu.other_processes()] if gpu else []

    def look(self) -> None:
        """After a sample."""
        if self._gpu is None:
            return
        clock = self._gpu.clock_mhz()
        if clock is not None:
            self._clocks.append(clock)
        self._now |= set(self._gpu.throttled_by())

    def round_is_good(self) -> bool:
        """At the end of a round: whether its clock was never lowered."""
        self._reasons.append(tuple(sorted(self._now)))
        self._now.clear()
        return not self._reasons[-1]

    def finish(self, fewest: int) -> tuple[np.ndarray, GpuState | None]:
        """(rounds,) which to keep: those with the full clock, or all where these are fewer than `fewest`; the state."""
        good = np.array([not reasons for reasons in self._reasons], dtype=bool)
        if self._gpu is None:
            return good, None
        kept = good if good.sum() >= fewest else np.ones_like(good)
        reasons = {reason for reasons, keep in zip(self._reasons, kept, strict=True) if keep for reason in reasons}
        others = [count for count in (*self._others, self._gpu.other_processes()) if count is not None]
        state = GpuState(
            median(self._clocks) if self._clocks else None,
            tuple(sorted(reasons)),
            int((~kept).sum()),
            max(others) if others else None,
        )
        return kept, state
