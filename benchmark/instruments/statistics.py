"""What may be said of a set of latency samples: location, spread, percentiles, intervals. Numbers only, no unit.

Times of a program are skewed and have outliers, so everything here rests on order statistics, never on a mean or a
standard deviation. The intervals assume that samples are drawn independently; samples taken one right after another
are not quite that, so an interval is a lower bound of the true doubt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: IQR over median above which a set of samples is called unstable
UNSTABLE = 0.1
PERCENTILES = (0.90, 0.95, 0.99)


@dataclass(frozen=True)
class Summary:
    """Summary of n samples, in the samples' own unit. A percentile that n does not carry is None."""

    n: int
    median: float
    iqr: float
    median_low: float | None
    median_high: float | None
    p90: float | None
    p95: float | None
    p99: float | None

    @property
    def unstable(self) -> bool:
        """True when the middle half of the samples spreads over more than a tenth of the median."""
        return self.iqr > UNSTABLE * self.median


def summarise(samples: Sequence[float] | np.ndarray) -> Summary:
    """Summarise one or more samples: 1-D, finite. Raises ValueError on none at all or on NaN."""
    values = _checked(samples)
    low_quarter, median, high_quarter = np.quantile(values, (0.25, 0.5, 0.75))
    tails = [float(np.quantile(values, q)) if len(values) >= samples_needed(q) else None for q in PERCENTILES]
    low, high = median_interval(values) or (None, None)
    return Summary(len(values), float(median), float(high_quarter - low_quarter), low, high, *tails)


def samples_needed(quantile: float, confidence: float = 0.99) -> int:
    """Fewest samples from which the given quantile may be reported: 64 for 0.90, 130 for 0.95, 662 for 0.99.

    The number of n samples that fall above the true q-quantile is binomial(n, 1 - q). A percentile is worth telling
    when at least two samples lie above it (one alone would be the maximum, an outlier as like as not), with the given
    confidence:  1 - q^n - n (1 - q) q^(n - 1) >= confidence.  The same n makes [minimum, maximum] a tolerance
    interval for the share q (S. S. Wilks, Determination of sample sizes for setting tolerance limits, 1941).
    """
    if not (0 < quantile < 1 and 0 < confidence < 1):
        raise ValueError(f"quantile {quantile} and confidence {confidence} must lie between 0 and 1")
    n = 2
    while 1 - quantile**n - n * (1 - quantile) * quantile ** (n - 1) < confidence:
        n += 1
    return n


def median_interval(samples: Sequence[float] | np.ndarray, confidence: float = 0.95) -> tuple[float, float] | None:
    """Interval of the true median that covers it with at least `confidence`; None when the samples are too few.

    The k-th smallest and k-th largest sample enclose the median unless fewer than k samples fall on one side of it:
    2 P(binomial(n, 1/2) < k) <= 1 - confidence, k as large as possible. Holds for any continuous distribution.
    (H. A. David and H. N. Nagaraja, Order Statistics, section 7.1.) At 95 % six samples are the fewest.
    """
    values = np.sort(_checked(samples))
    n = len(values)
    k, below = 0, 0.0  # below = P(binomial(n, 1/2) < k)
    while k < n / 2:
        # in logarithms, as 2^-n underflows from n = 1075 on
        log_term = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
        if 2 * (below + math.exp(log_term)) > 1 - confidence:
            break
        below += math.exp(log_term)
        k += 1
    return (float(values[k - 1]), float(values[n - k])) if k else None


def ratio_of_medians(
    numerator: Sequence[float] | np.ndarray,
    denominator: Sequence[float] | np.ndarray,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """(ratio, low, high) of median(numerator) / median(denominator): the share of time that remains.

    Percentile bootstrap (B. Efron and R. Tibshirani, An Introduction to the Bootstrap, chapter 13). Series of equal
    length are taken as measured interleaved, sample i of both in the same round, and rounds are resampled as pairs,
    so that a drift of the machine that hits both does not widen the interval. Otherwise each is resampled alone.
    """
    top, bottom = _checked(numerator), _checked(denominator)
    generator = np.random.default_rng(seed)
    picks = generator.integers(0, len(top), (resamples, len(top)))
    paired = len(top) == len(bottom)
    others = picks if paired else generator.integers(0, len(bottom), (resamples, len(bottom)))
    ratios = np.median(top[picks], axis=1) / np.median(bottom[others], axis=1)
    low, high = np.quantile(ratios, ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(np.median(top) / np.median(bottom)), float(low), float(high)


def _checked(samples: Sequence[float] | np.ndarray) -> np.ndarray:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"samples must be a list of finite numbers, at least one; got shape {values.shape}")
    return values
