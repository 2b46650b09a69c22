"""The clock: interleaving, warm-up, interference. No test says how long anything takes."""

import gc
import multiprocessing
import os

import numpy as np
import psutil
import pytest
import torch

from posebench.benchmark.instruments.interference import CpuWatch, Interference
from posebench.benchmark.instruments.latency import LatencySamples, _warm_up, measure_latency
from posebench.pose.errors import InputError


def recorder(calls: list[str], names: str) -> dict:
    return {name: lambda name=name: calls.append(name) for name in names}


def spin() -> None:
    while True:
        pass


def matmul(size: int):
    matrix = torch.randn(size, size)
    return lambda: matrix @ matrix


def test_every_round_calls_each_callable_once_and_the_order_changes():
    calls: list[str] = []
    result = measure_latency(recorder(calls, "abc"), max_samples=20, retries=0)
    rounds = ["".join(calls[i : i + 3]) for i in range(0, len(calls), 3)]
    assert all(sorted(turn) == list("abc") for turn in rounds)
    warmup = result["a"].warmup_calls
    assert len(rounds) == warmup + 20
    assert len(set(rounds[warmup:])) == 6  # all orders of three
    assert {samples.seconds.shape for samples in result.values()} == {(20,)}


def test_the_order_repeats_with_the_seed():
    def order(seed: int) -> list[str]:
        calls: list[str] = []
        result = measure_latency(recorder(calls, "abcd"), max_samples=10, retries=0, seed=seed)
        return calls[4 * result["a"].warmup_calls :]

    assert order(1) == order(1) != order(2)


def warm_up_rounds(*series: list[float]) -> int:
    """Rounds of warm-up of callables that take these times, and the last of each for ever after."""
    clocks = [iter([*times, *[times[-1]] * 100]) for times in series]
    callables = {str(index): clock.__next__ for index, clock in enumerate(clocks)}
    return _warm_up(callables, lambda call, name: call(), max_seconds=60)


def test_warm_up_goes_on_while_any_callable_still_gets_faster():
    assert warm_up_rounds([1.0]) == 6  # two windows of three
    assert warm_up_rounds([9, 8, 7, 6, 5, 4, 3, 2, 1]) == 13  # windows (2 1 1) and (1 1 1) are the first alike
    assert warm_up_rounds([1.0], [9, 8, 7, 6, 5, 4, 3, 2, 1]) == 13
    assert warm_up_rounds([1, 2, 3, 4, 5, 6, 7]) == 6  # getting slower is not warming up
    assert warm_up_rounds([0.9**i for i in range(100)]) == 30  # gives up


def test_samples_that_keep_falling_are_marked_as_not_steady():
    quiet = Interference(1.0, 0.0, 0.0)
    falling = LatencySamples(np.linspace(2, 1.9, 20), "cpu", 1, 6, 1, quiet)
    assert falling.steady and not falling.unstable
    falling = LatencySamples(np.linspace(2, 1, 20), "cpu", 1, 6, 1, quiet)
    assert not falling.steady and falling.unstable


def test_each_callable_is_charged_the_time_that_passed_in_it_and_no_other(spend):
    nanoseconds = {"short": 1_000, "long": 64_000, "none": 0}
    calls = {name: spend(time) for name, time in nanoseconds.items()}
    result = measure_latency(calls, max_samples=12, retries=0)
    for name, time in nanoseconds.items():
        assert result[name].seconds.tolist() == [time / 1e9] * 12


def test_threads_and_the_garbage_collector_are_set_during_and_restored_after():
    before, seen = torch.get_num_threads(), []
    other = 1 if before > 1 else 2

    def look() -> None:
        seen.append((torch.get_num_threads(), gc.isenabled(), torch.is_inference_mode_enabled()))

    samples = measure_latency({"look": look}, max_samples=10, threads=other, retries=0)["look"]
    assert set(seen) == {(other, False, True)}
    assert samples.threads == other
    assert (torch.get_num_threads(), gc.isenabled(), torch.is_inference_mode_enabled()) == (before, True, False)


def test_threads_and_the_garbage_collector_are_restored_after_an_error():
    before = torch.get_num_threads()

    def fail() -> None:
        raise RuntimeError("broken model")

    with pytest.raises(RuntimeError, match="broken model"):
        measure_latency({"fail": fail}, threads=before + 1)
    assert torch.get_num_threads() == before and gc.isenabled()


def test_at_least_ten_samples_are_taken_however_short_the_time():
    samples = measure_latency({"x": matmul(64)}, max_samples=50, max_seconds=0, retries=0)["x"]
    assert len(samples.seconds) == 10


def test_a_spread_that_stays_is_retried_and_then_marked():
    turn = iter(range(10**9))

    def erratic() -> None:
        sum(range(1000 if next(turn) % 2 else 200_000))

    samples = measure_latency({"erratic": erratic}, max_samples=20, retries=2)["erratic"]
    assert samples.attempts == 3
    assert samples.summary.unstable and samples.unstable


@pytest.fixture
def one_cpu():
    """This thread, and what it starts, on one CPU only: whatever else the machine does, there is company or none."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("processes cannot be bound to a CPU here")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_a_measurement_beside_busy_processes_is_marked_contended(one_cpu):
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=spin, daemon=True) for _ in range(3)]
    for other in others:
        other.start()
    try:
        call = matmul(256)
        samples = measure_latency({"x": call}, max_samples=300, threads=1, retries=0)["x"]
    finally:
        for other in others:
            other.kill()
            other.join()
    assert samples.contended and samples.unstable
    assert samples.interference.foreign_share > 0.5  # three of four on one CPU
    assert samples.interference.own_share < 0.5


def test_own_work_does_not_count_as_foreign(one_cpu):
    watch = CpuWatch()
    start = psutil.Process().cpu_times().user
    while psutil.Process().cpu_times().user - start < 0.5:  # half a second of CPU time of our own
        sum(range(10_000))
    found = watch.finish(threads=1)
    if found.foreign_share is None:
        pytest.skip("this system does not say what its CPUs do")
    assert found.foreign_share <= 1 - found.own_share + 0.05  # on one CPU others can only have had the rest


def test_contention_is_a_tenth_of_the_cpus_or_a_twentieth_of_waiting():
    assert not Interference(1.0, 0.09, 0.04).contended
    assert Interference(1.0, 0.11, 0.0).contended
    assert Interference(1.0, 0.0, 0.06).contended
    assert not Interference(1.0, None, None).contended
    # a GPU does not mind what the CPUs do, unless they come late to launch
    on_cuda = [LatencySamples(np.ones(9), "cuda:0", 1, 6, 1, Interference(1, 0.9, share)) for share in (0.0, 0.06)]
    assert [samples.contended for samples in on_cuda] == [False, True]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_one_clear_line():
    with pytest.raises(InputError, match=r"device 'cuda': no CUDA device is usable here.*use --device cpu"):
        measure_latency({"x": int}, device="cuda")


def test_an_unknown_device_or_count_is_one_clear_line():
    with pytest.raises(InputError, match="device 'tpu': give cpu, cuda or cuda:N"):
        measure_latency({"x": int}, device="tpu")
    with pytest.raises(InputError, match="threads 0: give a whole number of at least 1"):
        measure_latency({"x": int}, threads=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_events_see_the_work_and_not_only_its_launch():
    matrix = torch.randn(4096, 4096, device="cuda")
    small = torch.randn(64, 64, device="cuda")
    result = measure_latency({"big": lambda: matrix @ matrix, "small": lambda: small @ small}, device="cuda")
    assert result["big"].summary.median > 3 * result["small"].summary.median
