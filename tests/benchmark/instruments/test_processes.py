"""What several processes say of one comparison, against Student's t, order statistics and simulated truth."""

import numpy as np
import pytest
from scipy import stats

from posebench.benchmark.instruments.processes import over_processes, pooled
from posebench.benchmark.instruments.statistics import median_interval
from posebench.benchmark.profiling.models import profile
from posebench.row import BY_NAME


def test_three_to_five_processes_have_students_interval_of_the_logarithms():
    ratios = [0.80, 0.84, 0.83]
    value, low, high = over_processes(ratios)
    found = stats.ttest_1samp(np.log(ratios), 0).confidence_interval(0.95)
    assert value == 0.83
    assert (np.log(low), np.log(high)) == pytest.approx((found.low, found.high))


def test_of_six_processes_on_order_statistics_bear_what_is_far_off():
    ratios = [0.80, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.87, 1.3]
    assert over_processes(ratios) == (0.84, *median_interval(ratios)) == (0.84, 0.81, 0.87)


def test_of_two_processes_there_is_no_interval():
    assert over_processes([0.8, 0.9])[1:] == (None, None)


@pytest.mark.parametrize(
    ("shift", "most"),
    [
        pytest.param(lambda rng, shape: rng.normal(0, 0.01, shape), 0.99, id="each process is shifted by some 1 %"),
        pytest.param(
            lambda rng, shape: rng.normal(0, 0.01, shape) + 0.2 * (rng.random(shape) < 1 / 12),
            1.0,
            id="and a few by 20 %",
        ),
    ],
)
@pytest.mark.parametrize("processes", [3, 5, 6, 9])
def test_the_interval_holds_the_true_ratio_where_one_process_does_not(processes, shift, most):
    """40 rounds of a model that takes 0.8 of another's time, single times spread by 3 %, 2000 times over."""
    rng = np.random.default_rng(processes)
    runs = 2000
    of_rounds = 1.2533 * 0.03 * 2**0.5 / 40**0.5  # standard error of a median
    shape = runs, processes
    medians = np.log(0.8) + shift(rng, shape) + rng.normal(0, of_rounds, shape)
    held = np.mean([low <= 0.8 <= high for _, low, high in map(over_processes, np.exp(medians))])
    assert 0.93 <= held <= most
    of_one = np.abs(medians[:, 0] - np.log(0.8)) < 1.96 * of_rounds
    assert of_one.mean() < 0.90, "the rounds of one process say too little"


def times(seed):
    """Latency columns, as a process of that number might find them."""
    half = {"latency_vs_unmasked": (0.5, 0.6, 0.55, 0.7)[seed]}
    samples = [10.0 + seed, 12.0 + seed, 11.0 + seed]
    flags = {"latency_unstable": seed == 0, "latency_contended": False, "latency_attempts": seed}
    return {"latency_ms_median": 11.0 + seed, "latency_ms_samples": samples, "latency_samples": 3} | half | flags


def test_rows_of_several_processes_become_one():
    row = pooled([times(seed) for seed in range(4)], batch_size=2)
    assert row["latency_ms_median"] == 12.5 and row["latency_vs_unmasked"] == pytest.approx(0.575)
    assert row["latency_vs_unmasked_low"] < 0.5 and row["latency_vs_unmasked_high"] > 0.7
    assert row["latency_samples"] == len(row["latency_ms_samples"]) == 12 and row["latency_attempts"] == 3
    assert row["latency_unstable"] is False and row["latency_processes"] == 4
    assert row["throughput_images_per_s"] == pytest.approx(2 / 0.0125)
    assert row.keys() <= BY_NAME.keys()


def test_what_fails_in_one_process_fails():
    failed = {"status": "failed", "error": "no memory"}
    assert pooled([times(0), failed, times(1)], batch_size=1) == failed


def test_a_profile_in_three_processes_has_the_samples_of_all():
    told = []
    first, second = profile(
        "tmpose_tiny", masks=["uniform"], ratios=[0.4], baseline=True, threads=1, memory=False, samples=30, processes=3,
        retries=0, progress=lambda done, total, **info: told.append((done, total, info["stage"])),
    )  # fmt: skip
    assert told == [(done, 3, "processes") for done in (1, 2, 3)]
    assert first["latency_processes"] == second["latency_processes"] == 3
    assert len(second["latency_ms_samples"]) == second["latency_samples"] == 30
    middle = [np.median(series) for series in np.reshape(second["latency_ms_samples"], (3, 10))]
    assert second["latency_ms_median"] == pytest.approx(np.median(middle))
    assert second["latency_vs_unmasked_low"] < second["latency_vs_unmasked"] < second["latency_vs_unmasked_high"]
