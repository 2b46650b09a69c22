"""How much slower one program is than another, from pairs of processes.

What a process has by chance (where its memory lies, which core it got) shifts all of its times, so that a process is
one observation however many calls were timed in it, as a seed is one of trainings. With the logarithm of each pair's
ratio, mean +- t(pairs - 1) s / sqrt(pairs), and back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .intervals import Estimate, SeedSpread, combined

#: below this many a spread is not estimated
FEWEST_PAIRS = 3


def slowdown(ratios: Sequence[float]) -> Estimate:
    """head / base - 1 over independent pairs of processes, with its 95 % interval. ValueError below three pairs."""
    if len(ratios) < FEWEST_PAIRS:
        raise ValueError(f"{len(ratios)} pairs of processes: at least {FEWEST_PAIRS} are needed")
    logs = [math.log(ratio) for ratio in ratios]
    mean = combined(math.fsum(logs) / len(logs), 0.0, SeedSpread.pooled([logs]), len(logs))
    return Estimate(*(math.expm1(end) for end in mean[:3]), mean.df)
