"""Time callables against each other: warmed up, interleaved, with every sample kept and interference noticed."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from .device import check_count, check_device, torch_threads
from .gpu_watch import GpuState, GpuWatch
from .interference import WAITING_LIMIT, CpuWatch, Interference
from .nvml import gpu_of
from .statistics import Summary, summarise

_WINDOW = (
    3  # calls whose median is compared with the median of as many before, to see whether a callable still warms up
)
_STEADY = 0.95  # ... it does while the later median is below this share of the earlier one
_WARMUP_ROUNDS = 30
_FEWEST = 10  # samples, however little time there is
CUDA_WARMUP_SECONDS = 1.0


@dataclass(frozen=True)
class LatencySamples:
    """The timed calls of one callable.

    seconds: (n,) raw times in the order they were taken; sample i of all callables measured together is of round i.
    warmup_calls: untimed calls before.
    attempts: how often the whole measurement was made (again after an unstable or contended one).
    interference: what other jobs took meanwhile; the same for all callables measured together.
    gpu: how its GPU fared, the same for all, too; None on a CPU, and where NVML is not there.
    threads: torch's CPU threads meanwhile.
    """

    seconds: np.ndarray
    device: str
    threads: int
    warmup_calls: int
    attempts: int
    interference: Interference
    gpu: GpuState | None = None

    @property
    def summary(self) -> Summary:
        """Median, IQR, percentiles, in seconds."""
        return summarise(self.seconds)

    @property
    def steady(self) -> bool:
        """False when the calls were still getting faster: median of the later half 5 % below that of the earlier."""
        half = len(self.seconds) // 2
        return half == 0 or bool(np.median(self.seconds[-half:]) >= _STEADY * np.median(self.seconds[:half]))

    @property
    def contended(self) -> bool:
        """True when another job disturbed the measurement. On CUDA that is one on the GPU, or waiting for a CPU, to
        launch from."""
        if self.device.startswith("cuda"):
            others = bool(self.gpu and self.gpu.others)
            return others or (self.interference.waiting_share or 0.0) > WAITING_LIMIT
        return self.interference.contended

    @property
    def unstable(self) -> bool:
        """True when the number should not be trusted: too wide a spread, a disturbance, or no steady state."""
        throttled = bool(self.gpu and self.gpu.throttled_by)
        return self.summary.unstable or self.contended or throttled or not self.steady


def measure_latency(
    callables: Mapping[Any, Callable[[], object]],
    *,
    device: str | torch.device = "cpu",
    max_samples: int = 130,
    max_seconds: float = 20.0,
    threads: int | None = None,
    retries: int = 2,
    seed: int = 0,
    progress: Callable[..., object] | None = None,
    before: Mapping[Any, Callable[[], object]] | None = None,
) -> dict[Any, LatencySamples]:
    """Time each callable, in seconds per call, all of them interleaved.

    A round calls each once, in an order shuffled anew (by `seed`), so that a drift of clock speed, temperature or load
    meets all alike and none always runs behind the same neighbour. Between two of its calls the others have used the
    caches: the times are those of a program that also does something else.

    Warm-up: rounds are run until, for every callable, the median of its last 3 calls is no more than 5 % below the
    median of the 3 before, that is, until nothing is getting faster any more; at least 6 rounds and at most 30, cut
    short after half of `max_seconds`. Whether that was enough shows in the samples (`steady`). On CUDA at least a
    second, in which the clock rises, however many rounds that takes.
    Sampling: rounds until `max_samples`, or until `max_seconds` have passed and 10 samples are there.
    When any callable is unstable or contended all is repeated, warm-up included, up to `retries` times; the attempt
    with the fewest contended, then unstable callables is kept (of equals, that with the smallest spread) and marked.
    So at most (retries + 1) * 1.5 * `max_seconds` are spent, unless 10 samples take longer.

    CPU: perf_counter_ns around the call. CUDA: events on the current stream around the call, the device idle before;
    so the time of launching is in it. A callable must work on the current stream. Gradients are off (inference_mode)
    and the garbage collector is held back while sampling. `threads`: torch's CPU threads during the measurement.
    A GPU is asked for its clock after each sample: a round in which it was lowered, by heat or power, is thrown away
    and made again, as long as no more are thrown away than asked for; where fewer than 10 stay, all are kept and
    marked. `before`: what is done before each timed call of a callable, untimed, such as writing over a cache.
    `progress(done, total)` is called after each round, outside the timed calls; a repetition counts from 1 again.

    Raises InputError for a device that is not there or counts below 1.
    """
    found = check_device(device)
    max_samples = check_count("max_samples", max_samples)
    if not callables:
        return {}
    generator = np.random.default_rng(seed)
    timer = _prepared_timer(_cuda_timer(found) if found.type == "cuda" else _cpu_timer, before or {})
    gpu = gpu_of(found)
    least = CUDA_WARMUP_SECONDS if found.type == "cuda" else 0.0
    best: dict[str, LatencySamples] = {}
    with torch_threads(check_count("threads", threads)) as used, torch.inference_mode(), _no_garbage_collection():
        for attempt in range(1, max(retries, 0) + 2):
            gc.collect()
            warmup = _warm_up(callables, timer, max_seconds / 2, least)
            times: dict[Any, list[float]] = {name: [] for name in callables}
            watch, gpu_watch = CpuWatch(), GpuWatch(gpu)
            start, rounds, good = time.perf_counter(), 0, 0
            while (
                good < max_samples
                and rounds < 2 * max_samples
                and (rounds < _FEWEST or time.perf_counter() - start < max_seconds)
            ):
                for index in generator.permutation(len(times)):
                    name = list(times)[index]
                    times[name].append(timer(callables[name], name))
                    gpu_watch.look()
                good += gpu_watch.round_is_good()
                rounds += 1
                if progress is not None:
                    progress(good, max_samples)
            interference = watch.finish(used)
            kept, state = gpu_watch.finish(_FEWEST)
            result = {
                name: LatencySamples(np.array(series)[kept], str(found), used, warmup, attempt, interference, state)
                for name, series in times.items()
            }
            if not best or _badness(result) < _badness(best):
                best = result
            if not any(samples.unstable for samples in result.values()):
                break
    return {name: replace(samples, attempts=attempt) for name, samples in best.items()}


def _badness(result: Mapping[str, LatencySamples]) -> tuple[int, int, float]:
    values = list(result.values())
    spread = sum(samples.summary.iqr / max(samples.summary.median, 1e-12) for samples in values)
    return sum(samples.contended for samples in values), sum(samples.unstable for samples in values), spread


def _warm_up(
    callables: Mapping[Any, Callable[[], object]],
    timer: Callable[[Callable[[], object], Any], float],
    max_seconds: float,
    min_seconds: float = 0.0,
) -> int:
    """Run rounds until no callable gets faster any more; how many were run."""
    times: dict[Any, list[float]] = {name: [] for name in callables}
    start = time.perf_counter()
    deadline, soonest = start + max_seconds, start + min_seconds
    rounds = 0
    while (rounds < _WARMUP_ROUNDS and not all(_warm(series) for series in times.values())) or (
        time.perf_counter() < soonest
    ):
        for name, call in callables.items():
            times[name].append(timer(call, name))
        rounds += 1
        if time.perf_counter() > max(deadline, soonest):
            break
    return rounds


def _warm(times: list[float]) -> bool:
    if len(times) < 2 * _WINDOW:
        return False
    return bool(np.median(times[-_WINDOW:]) >= _STEADY * np.median(times[-2 * _WINDOW : -_WINDOW]))


def _prepared_timer(
    timer: Callable[[Callable[[], object]], float], before: Mapping[Any, Callable[[], object]]
) -> Callable[[Callable[[], object], Any], float]:
    def timed(call: Callable[[], object], name: Any) -> float:
        if name in before:
            before[name]()
        return timer(call)

    return timed


def _cpu_timer(call: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e9


def _cuda_timer(device: torch.device) -> Callable[[Callable[[], object]], float]:
    def timer(call: Callable[[], object]) -> float:
        with torch.cuda.device(device):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            stream = torch.cuda.current_stream(device)
            torch.cuda.synchronize(device)
            start.record(stream)
            call()
            end.record(stream)
            end.synchronize()
            return start.elapsed_time(end) / 1e3

    return timer


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
