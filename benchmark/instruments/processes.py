"""What several processes say together that each timed the same things.

A process is one observation, however many calls were timed in it, as a seed is one of trainings: what it has by chance
(where its memory lies, say) shifts all of its times, and no number of samples shows it. These shifts are no bell: one
process in a dozen may be a fifth slower throughout. So what stands for them is a median, and the interval of order
statistics where there are enough of them for one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...row import FEWEST_PROCESSES, STATUS_OK, PartTiming, flat, part_of
from .own_process import in_own_process
from .statistics import median_interval, summarise

_PARTS = ("latency", "latency_transformer")
#: what a row tells of these columns of the processes
_SHARED: dict[str, Callable[[list[Any]], Any]] = {
    "latency_attempts": max,
    "foreign_cpu_share": max,
    "waiting_cpu_share": max,
    "gpu_clock_mhz": statistics.median,
    "gpu_throttled": lambda reasons: ", ".join(dict.fromkeys(reasons)),
    "gpu_discarded": max,
    "gpu_others": max,
}


def over_processes(ratios: Sequence[float]) -> tuple[float, float | None, float | None]:
    """(median, low, high) of one ratio per process, above 0, with its 95 % interval; no ends below FEWEST_PROCESSES.

    From six processes on the ends are order statistics, which hold for any distribution (`median_interval`). Three to
    five are too few for these: Student's t of the logarithms, which a process that is far off makes wide.
    """
    value = float(statistics.median(ratios))
    ends = median_interval(ratios)
    if ends is None and len(ratios) >= FEWEST_PROCESSES:
        from scipy import stats

        logs = np.log(ratios)
        half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs))
        ends = math.exp(logs.mean() - half), math.exp(logs.mean() + half)
    return value, *(ends or (None, None))


def time_in_processes(
    processes: int,
    batch_size: int,
    function: Callable[..., Mapping[Any, Mapping[str, Any]]],
    *args: Any,
    progress: Callable[..., object] | None = None,
) -> dict[Any, dict[str, Any]]:
    """The pooled rows, by key, of `function(*args, seed)`, called in so many processes of their own, one at a time.

    function: importable; it times all keys at a batch size, and gives the latency columns of each. seed: the number of
    the process. progress(done, processes, stage="processes"). Raises what in_own_process does.
    """
    found = []
    for seed in range(processes):
        found.append(in_own_process(function, *args, seed))
        if progress is not None:
            progress(seed + 1, processes, stage="processes")
    return {key: pooled([rows[key] for rows in found], batch_size) for key in found[0]}


def pooled(rows: Sequence[Mapping[str, Any]], batch_size: int) -> dict[str, Any]:
    """One row of the latency columns of several, each the same configuration's in a process of its own.

    Medians are the processes' medians, ratios are of each process alone (both sides in it) and have the interval of
    `over_processes`; percentiles are of all samples. A row that failed in one process fails.
    """
    for row in rows:
        if row.get("status", STATUS_OK) != STATUS_OK:
            return dict(row)
    found = dict(rows[0])
    for name in _PARTS:
        if rows[0].get(f"{name}_ms_median") is not None:
            found |= flat(name, _pooled_part([part_of(row, name) for row in rows]))
    for name, pick in _SHARED.items():
        if values := _there(row.get(name) for row in rows):
            found[name] = pick(values)
    return found | {
        "throughput_images_per_s": 1e3 * batch_size / found["latency_ms_median"],
        "latency_processes": len(rows),
    }


def _pooled_part(parts: Sequence[PartTiming]) -> PartTiming:
    samples = np.concatenate([np.asarray(part.ms_samples) for part in parts])
    everything = summarise(samples)
    medians = _there(part.ms_median for part in parts)
    median, low, high = over_processes(medians)
    ratios = _there(part.vs_unmasked for part in parts)
    remains = over_processes(ratios) if ratios else (None, None, None)
    return replace(
        parts[0],
        ms_median=median,
        ms_median_low=low,
        ms_median_high=high,
        ms_iqr=_middle(part.ms_iqr for part in parts),
        ms_p90=everything.p90,
        ms_p95=everything.p95,
        ms_p99=everything.p99,
        samples=everything.n,
        unstable=_most(part.unstable for part in parts),
        contended=_most(part.contended for part in parts),
        vs_unmasked=remains[0],
        vs_unmasked_low=remains[1],
        vs_unmasked_high=remains[2],
        x_eager=_middle(part.x_eager for part in parts),
        graph_ms_median=_middle(part.graph_ms_median for part in parts),
        launch_bound=_most(part.launch_bound for part in parts),
        warm_ms_median=_middle(part.warm_ms_median for part in parts),
        cold_ms_median=_middle(part.cold_ms_median for part in parts),
        ms_samples=samples.tolist(),
    )


def _there(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _middle(values: Iterable[float | None]) -> float | None:
    there = _there(values)
    return statistics.median(there) if there else None


def _most(flags: Iterable[bool | None]) -> bool | None:
    """Of at least half of the processes; the interval over processes bears the few that are not like the others."""
    there = _there(flags)
    return 2 * sum(there) >= len(there) if there else None
