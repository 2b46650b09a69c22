"""Order statistics against binomial sums, hand-worked numbers and simulation."""

from math import comb

import numpy as np
import pytest

from posebench.benchmark.instruments.statistics import median_interval, ratio_of_medians, samples_needed, summarise


def at_least_two_above(n: int, q: float) -> float:
    """P(two or more of n samples lie above the true q-quantile), by the binomial sum."""
    return sum(comb(n, k) * (1 - q) ** k * q ** (n - k) for k in range(2, n + 1))


@pytest.mark.parametrize(("quantile", "published"), [(0.90, 64), (0.95, 130), (0.99, 662)])
def test_the_fewest_samples_for_a_percentile_follow_from_the_binomial_sum(quantile, published):
    assert samples_needed(quantile) == published
    assert at_least_two_above(published, quantile) >= 0.99 > at_least_two_above(published - 1, quantile)


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (63, []),
        (64, ["p90"]),
        (129, ["p90"]),
        (130, ["p90", "p95"]),
        (661, ["p90", "p95"]),
        (662, ["p90", "p95", "p99"]),
    ],
)
def test_a_percentile_without_enough_samples_is_absent(n, shown):
    summary = summarise(np.arange(n, dtype=float))
    assert [name for name in ("p90", "p95", "p99") if getattr(summary, name) is not None] == shown


def test_a_summary_of_nine_numbers_is_the_one_worked_by_hand():
    summary = summarise([9, 1, 8, 2, 7, 3, 6, 4, 5])
    assert (summary.n, summary.median, summary.iqr) == (9, 5, 4)  # quartiles 3 and 7
    # 2 P(binomial(9, 1/2) < 2) = 2 (1 + 9) / 512 = 0.039: second smallest and second largest
    assert (summary.median_low, summary.median_high) == (2, 8)


def test_a_spread_above_a_tenth_of_the_median_is_unstable():
    assert not summarise([95, 97.5, 100, 102.5, 105]).unstable  # IQR 5
    assert not summarise([90, 95, 100, 105, 110]).unstable  # IQR 10, exactly a tenth
    assert summarise([89, 94, 100, 105, 110]).unstable  # IQR 11


def test_the_interval_of_the_median_needs_six_samples():
    assert median_interval(range(5)) is None  # 2 / 2^5 > 0.05
    assert median_interval(range(6)) == (0, 5)  # 2 / 2^6 <= 0.05


@pytest.mark.parametrize("n", [6, 25, 100, 663, 3000])
def test_the_interval_of_the_median_is_the_narrowest_that_the_binomial_sum_allows(n):
    low, high = median_interval(np.arange(1, n + 1))
    k = int(low)
    assert high == n + 1 - k
    outside = [2 * sum(comb(n, i) for i in range(j)) for j in (k, k + 1)]
    assert outside[0] * 20 <= 2**n < outside[1] * 20  # whole numbers: exact


def test_the_interval_of_the_median_covers_it_as_often_as_promised():
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(500):
        low, high = median_interval(generator.lognormal(size=41))
        inside += low <= 1.0 <= high  # the median of the lognormal is 1
    assert inside / 500 >= 0.93


def test_the_ratio_of_two_series_is_that_of_their_medians_and_its_interval_covers_the_truth():
    generator = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        numerator, denominator = 0.6 * generator.lognormal(0, 0.1, 60), generator.lognormal(0, 0.1, 60)
        ratio, low, high = ratio_of_medians(numerator, denominator, resamples=300)
        assert ratio == np.median(numerator) / np.median(denominator)
        assert low <= ratio <= high
        inside += low <= 0.6 <= high
    assert inside / 200 >= 0.9


def test_a_drift_that_hits_both_interleaved_series_does_not_widen_the_interval():
    generator = np.random.default_rng(3)
    drift = np.linspace(1, 2, 80)
    base = drift * (1 + 0.001 * generator.standard_normal(80))
    _, low, high = ratio_of_medians(0.5 * base, base)
    _, apart_low, apart_high = ratio_of_medians(0.5 * base[:79], base)  # unequal lengths: not pairs
    assert high - low < 0.01 < apart_high - apart_low


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [[1.0, 2.0]]])
def test_samples_that_are_none_or_not_numbers_are_refused(samples):
    with pytest.raises(ValueError, match="at least one"):
        summarise(samples)


@pytest.mark.parametrize(("quantile", "confidence"), [(0, 0.9), (1, 0.9), (0.9, 0), (0.9, 1)])
def test_a_quantile_and_a_confidence_lie_between_0_and_1(quantile, confidence):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        samples_needed(quantile, confidence)


def test_the_interval_of_a_ratio_is_that_of_all_resamples_of_three():
    # the median of three draws of 1, 2, 3: it is 1 in 7 of 27 cases, at most 2 in 20 of 27
    for confidence, ends in ((0.4, (2, 2)), (0.6, (1, 3))):
        assert ratio_of_medians([1, 2, 3], [1, 1], confidence=confidence) == (2, *ends)
    # that of two draws of 1, 3: 1, 2, 3 in 1, 2, 1 of 4 cases
    for confidence, ends in ((0.4, (1, 1)), (0.6, (2 / 3, 2))):
        assert ratio_of_medians([2, 2, 2], [1, 3], confidence=confidence) == (1, *ends)
    assert ratio_of_medians([2], [4]) == (0.5, 0.5, 0.5)
