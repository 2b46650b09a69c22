"""How many seeds, people or timed passes would decide what the intervals leave open, from the spread that was measured.

The variance of a difference is s^2 / k + se^2 N / n with k seeds and n people, where N people gave the standard error
se (`intervals`). It is enough where the distance to the line is t(nu) + 0.84 standard errors: then the test says so
with the chance 0.8, if the true difference is the measured one. The level is that of Holm's first step, the strictest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from .intervals import NORMAL, ONE_SEED, Estimate, SeedSpread
from .quantities import QUANTITIES
from .subject import Point
from .verdicts import ONE_SIDED

#: of the normal distribution: the chance of 0.8
POWER = 0.8416
MOST_SEEDS, MOST_TIMES = 100, 1000


def settled_by(
    point: Point,
    loss: Estimate,
    savings: Mapping[str, Estimate],
    least: Mapping[str, float],
    max_loss: float,
    tested: int,
) -> str:
    """A sentence about a configuration that is measured to meet everything, and not shown to."""
    level, needs = ONE_SIDED / tested, []
    if loss.doubt_below(max_loss) > level:
        needs.append(_more_evidence(point, loss, max_loss - loss.value, level))
    for name, saved in savings.items():
        if saved.low < saved.high and saved.doubt_above(least[name]) > level:
            needs.append(_more_passes(saved, least[name], level, QUANTITIES[name].words))
    return f"{name_of(point)} is measured to qualify and not shown to: {' and '.join(needs)} would settle it" + (
        " with a chance of 80\N{NO-BREAK SPACE}%, if it is truly as measured."
    )


def loss_shown(loss: Estimate, tested: int) -> float:
    """The loss that this configuration is shown to stay below, rounded up to two digits."""
    bound = max(loss.bound(ONE_SIDED / tested), 0.0)
    if not bound:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(bound)) - 1)
    return math.ceil(bound / unit) * unit


def name_of(point: Point) -> str:
    """The mask and its ratio, as sentences tell them."""
    return f"{point.mask} at ratio {point.ratio:g}"


def enough_seeds(variance: float, spread: SeedSpread, seeds: int, distance: float, level: float) -> int | None:
    """The fewest seeds with which a distance is shown; None where more seeds alone will not do.

    variance: over people, of the mean; spread: over seeds, of `seeds` each.
    """
    cells = spread.df / (seeds - 1)

    def shown(count: int) -> bool:
        return _is_enough(variance, SeedSpread(spread.variance, round(cells * (count - 1))), count, distance, level)

    return next((count for count in range(seeds, MOST_SEEDS + 1) if shown(count)), None)


def enough_people(variance: float, spread: SeedSpread, seeds: int, distance: float, level: float) -> float | None:
    """How many times as many people show a distance; None where more people alone will not do."""
    return _least_times(lambda times: _is_enough(variance / times, spread, seeds, distance, level))


def _least_times(enough: Callable[[float], bool]) -> float | None:
    low, high = 1.0, float(MOST_TIMES)
    if not enough(high):
        return None
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _is_enough(variance: float, spread: SeedSpread, seeds: int, distance: float, level: float) -> bool:
    from scipy import stats

    training = spread.variance / seeds if spread.df else 0.0
    total = training + variance
    df = total**2 / (training**2 / spread.df) if training else math.inf
    return distance >= (float(stats.t.ppf(1 - level, df)) + POWER) * math.sqrt(total)


def _more_evidence(point: Point, loss: Estimate, distance: float, level: float) -> str:
    from scipy import stats

    spread = point.trainings if point.seeds > 1 else ONE_SEED
    total = ((loss.high - loss.low) / 2 / float(stats.t.ppf(0.975, loss.df))) ** 2
    variance = max(total - (spread.variance / point.seeds if spread.df else 0.0), 0.0)
    times = enough_people(variance, spread, point.seeds, distance, level)
    ways = []
    if spread.df:
        seeds = enough_seeds(variance, spread, point.seeds, distance, level)
        ways += [f"about {seeds} seeds instead of {point.seeds}"] if seeds else []
    if times and point.people:
        ways.append(f"about {_round_up(times * point.people)} people instead of {point.people}")
    if not ways:
        return "more seeds and more people together"
    return " or ".join(ways)


def _more_passes(saved: Estimate, least: float, level: float, words: str) -> str:
    half = (saved.high - saved.low) / 2
    times = _least_times(
        lambda times: _is_enough((half / NORMAL) ** 2 / times, ONE_SEED, 1, saved.value - least, level)
    )
    how = f"about {_round_up(times)} times as many" if times else "far more"
    return f"{how} timed passes for its saving of {words}"


def _round_up(value: float) -> int:
    """To two digits."""
    unit = 10 ** max(math.floor(math.log10(value)) - 1, 0)
    return math.ceil(value / unit) * unit
