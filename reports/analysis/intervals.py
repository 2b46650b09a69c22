"""How sure a mean over a few trained models is: one interval for whatever is told over seeds, and Holm's correction.

Two things make a mean uncertain, and neither stands for the other. Another draw of people would score differently:
that is the bootstrap's standard error, which the seeds share, as all are judged by the same people. Another training
would score differently: that is the spread over seeds, divided by their number. With s^2 pooled over all cells of a
model (on df = sum of k - 1 degrees of freedom) and se the bootstrap's,

    mean +- t(nu) sqrt(s^2 / k + se^2),   nu = (s^2 / k + se^2)^2 / ((s^2 / k)^2 / df)

with the degrees of freedom of B. L. Welch (The generalization of "Student's" problem when several different population
variances are involved, 1947). One seed says nothing of other trainings: its interval is the bootstrap's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .results import is_missing

#: half of a 95 % interval in standard errors
NORMAL = 1.959963984540054


class Estimate(NamedTuple):
    """A value with the ends of its 95 % interval, and the degrees of freedom of the standard error behind them."""

    value: float
    low: float
    high: float
    df: float = math.inf

    def doubt_above(self, line: float) -> float:
        """One-sided p value against "the true value is at or below `line`": 0.025 where the interval begins there."""
        return self._doubt(self.value - line, self.value - self.low)

    def doubt_below(self, line: float) -> float:
        """One-sided p value against "the true value is at or above `line`": 0.025 where the interval ends there."""
        return self._doubt(line - self.value, self.high - self.value)

    def bound(self, doubt: float) -> float:
        """The line that the true value is below with the one-sided p value `doubt`."""
        from scipy import stats

        return self.value + (self.high - self.value) * float(
            stats.t.ppf(1 - doubt, self.df) / stats.t.ppf(0.975, self.df)
        )

    def _doubt(self, distance: float, half: float) -> float:
        from scipy import stats

        if half <= 0:
            return 0.0 if distance > 0 else 1.0
        return float(stats.t.sf(distance / half * stats.t.ppf(0.975, self.df), self.df))


@dataclass(frozen=True)
class SeedSpread:
    """Variance over seeds, pooled over cells, and its degrees of freedom; 0 of them where each cell has one seed."""

    variance: float
    df: int

    @classmethod
    def pooled(cls, cells: Iterable[Sequence[float]]) -> SeedSpread:
        """Of the values of each cell, one per seed."""
        squares, df = 0.0, 0
        for values in cells:
            if len(values) > 1:
                mean = math.fsum(values) / len(values)
                squares += math.fsum((value - mean) ** 2 for value in values)
                df += len(values) - 1
        return cls(squares / df if df else 0.0, df)

    @classmethod
    def beside_each_other(cls, cells: np.ndarray) -> SeedSpread:
        """Of differences between cells, (cells, seeds): what all cells of a seed have in common is in none of them.

        The residual of an additive model, so half the variance of a difference; (cells - 1)(seeds - 1) degrees.
        """
        cells = np.asarray(cells, dtype=np.float64)
        rest = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
        df = (cells.shape[0] - 1) * (cells.shape[1] - 1)
        return cls(float((rest**2).sum() / df) if df else 0.0, df)


#: of one seed, nothing is known of others
ONE_SEED = SeedSpread(0.0, 0)


def over_seeds(seeds: Iterable[tuple[float | None, float | None, float | None]], spread: SeedSpread) -> Estimate | None:
    """The mean of (value, low, high) of each seed, with the interval of this module's formula.

    The ends are those of each seed's own 95 % interval over people. None unless every value has an interval: the
    seeds with one would claim too much for those without.
    """
    present = [ends for ends in seeds if not is_missing(ends[0])]
    if not present or any(is_missing(end) for ends in present for end in ends):
        return None
    values, lows, highs = (list(map(float, column)) for column in zip(*present, strict=True))
    count = len(values)
    mean = math.fsum(values) / count
    se = math.fsum(high - low for low, high in zip(lows, highs, strict=True)) / (2 * NORMAL * count)
    if count == 1 or not spread.df:
        return Estimate(mean, math.fsum(lows) / count, math.fsum(highs) / count)
    return combined(mean, se, spread, count)


def combined(mean: float, se: float, spread: SeedSpread, seeds: int) -> Estimate:
    """A mean over `seeds` trainings with the standard error `se` over people."""
    from scipy import stats

    training = spread.variance / seeds
    variance = training + se**2
    if not variance:
        return Estimate(mean, mean, mean)
    df = variance**2 / (training**2 / spread.df) if training else math.inf
    half = float(stats.t.ppf(0.975, df)) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, df)


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which of several hypotheses are rejected so that any false rejection has at most the chance `level`.

    S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    rejected = [False] * len(p_values)
    for rank, index in enumerate(order):
        if p_values[index] > level / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


def all_differences(
    values: np.ndarray, draws: np.ndarray, spread: SeedSpread, seeds: int, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Half widths of simultaneous intervals of all differences between models, (M, M), and which are told apart.

    values: (M,) means over the seeds; draws: (M, R) the same in R draws of people, which the models share; spread: see
    `SeedSpread.beside_each_other`. All of the intervals hold together with the chance `level`, so that the best of M
    may be picked by looking (max-T: P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing, 1993, with the
    draws of people, and normal ones of trainings whose variance is drawn, too, as it was estimated).
    """
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    one, other = np.triu_indices(len(values), 1)
    half = np.zeros((len(values), len(values)))
    if len(one) and draws.shape[1]:
        rng = np.random.default_rng(0)
        training = math.sqrt(spread.variance / seeds)
        noise = training * rng.standard_normal(draws.shape)
        if spread.df:
            noise *= np.sqrt(spread.df / rng.chisquare(spread.df, draws.shape[1]))
        people = draws[one] - draws[other]
        se = np.sqrt(people.var(axis=1) + 2 * training**2)
        off = people - (values[one] - values[other])[:, None] + noise[one] - noise[other]
        ratios = np.abs(off) / np.where(se > 0, se, np.inf)[:, None]
        half[one, other] = half[other, one] = np.quantile(ratios.max(axis=0), level) * se
    return half, np.abs(values[:, None] - values[None, :]) > half
