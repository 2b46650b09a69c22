"""Latency columns of a results row: models timed together, whole and behind the backbone, at one batch size."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ...pose.errors import is_shortage
from ...row import PartTiming, flat
from .latency import LatencySamples, measure_latency
from .shortage import release, shortage_text
from .statistics import ratio_of_medians

Row = dict[str, Any]
#: how many times as long as its graph a call takes that waits for its launches
LAUNCH_BOUND = 1.1


@dataclass(frozen=True)
class Subject:
    """What is timed under one name. Both callables do one forward pass and take nothing.

    whole: the whole model. transformer: everything behind the backbone's feature map, on features computed before;
    None where the model has no such parts. baseline: name of the subject that this one is compared with. eager: name
    of the one that is the same model in eager float32. graph, transformer_graph: the same kernels as one CUDA graph.
    """

    whole: Callable[[], object]
    transformer: Callable[[], object] | None = None
    baseline: Hashable | None = None
    eager: Hashable | None = None
    graph: Callable[[], object] | None = None
    transformer_graph: Callable[[], object] | None = None

    def parts(self) -> dict[str, tuple[Callable[[], object], Callable[[], object] | None]]:
        """The call of each part and that of its graph, by the part's column."""
        whole = {"latency": (self.whole, self.graph)}
        if self.transformer is None:
            return whole
        return whole | {"latency_transformer": (self.transformer, self.transformer_graph)}

    def calls(self) -> list[Callable[[], object]]:
        return [call for pair in self.parts().values() for call in pair if call is not None]


def that_fit(subjects: Mapping[Any, Subject]) -> tuple[dict[Any, Subject], dict[Any, str]]:
    """The subjects whose calls find enough memory when each is made once, and the error of each other."""
    fit: dict[Any, Subject] = {}
    errors: dict[Any, str] = {}
    for name, subject in subjects.items():
        try:
            with torch.inference_mode():
                for call in subject.calls():
                    call()
            fit[name] = subject
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            errors[name] = shortage_text(error)
        if name in errors:
            release()  # behind the error, whose frames held what was computed
    return fit, errors


def time_together(
    subjects: Mapping[Any, Subject],
    batch_size: int,
    *,
    flush: Callable[[], object] | None = None,
    **how: Any,
) -> dict[Any, Row]:
    """Time all subjects and their parts interleaved; the latency columns of each, times in milliseconds.

    `how` goes to measure_latency: device, max_samples, max_seconds, threads, retries, seed, progress. flush: writes
    over the device's cache; then each call is also timed right behind itself (warm) and behind a flush (cold).
    For the whole model (`latency_...`) and, where there is one, the transformer (`latency_transformer_...`) the fields
    of row.PartTiming; vs_unmasked is against the baseline, x_eager against `eager`, None without.
    Beside them throughput_images_per_s (batch size over median), latency_processes, latency_attempts,
    latency_warmup_calls, foreign_cpu_share and waiting_cpu_share.
    """
    calls: dict[Any, Callable[[], object]] = {}
    before: dict[Any, Callable[[], object]] = {}
    for name, subject in subjects.items():
        for part, (call, graph) in subject.parts().items():
            calls[part, name] = call
            if graph is not None:
                calls["graph", part, name] = graph
            if flush is not None:
                calls["warm", part, name] = calls["cold", part, name] = call
                before["warm", part, name], before["cold", part, name] = call, flush
    found = measure_latency(calls, before=before, **how)
    rows = {}
    for name, subject in subjects.items():
        row: Row = {}
        for part in subject.parts():
            others = [found.get((part, other)) for other in (subject.baseline, subject.eager)]
            beside = [found.get((kind, part, name)) for kind in ("graph", "warm", "cold")]
            row |= flat(part, _part(found[part, name], *others, *beside))
        whole = found["latency", name]
        rows[name] = row | {
            "throughput_images_per_s": batch_size / whole.summary.median,
            "latency_processes": 1,
            "latency_attempts": whole.attempts,
            "latency_warmup_calls": whole.warmup_calls,
            "foreign_cpu_share": whole.interference.foreign_share,
            "waiting_cpu_share": whole.interference.waiting_share,
        } | (whole.gpu.columns() if whole.gpu else {})
    return rows


def _part(
    samples: LatencySamples,
    baseline: LatencySamples | None,
    eager: LatencySamples | None,
    graph: LatencySamples | None,
    warm: LatencySamples | None,
    cold: LatencySamples | None,
) -> PartTiming:
    """The samples in milliseconds, and against the baseline's and eager's, where there are such."""
    summary = samples.summary
    ratio, low, high = ratio_of_medians(samples.seconds, baseline.seconds) if baseline else (None, None, None)
    return PartTiming(
        ms_median=1e3 * summary.median,
        ms_median_low=_ms(summary.median_low),
        ms_median_high=_ms(summary.median_high),
        ms_iqr=1e3 * summary.iqr,
        ms_p90=_ms(summary.p90),
        ms_p95=_ms(summary.p95),
        ms_p99=_ms(summary.p99),
        samples=summary.n,
        unstable=samples.unstable,
        contended=samples.contended,
        vs_unmasked=ratio,
        vs_unmasked_low=low,
        vs_unmasked_high=high,
        x_eager=ratio_of_medians(eager.seconds, samples.seconds)[0] if eager else None,
        graph_ms_median=_median_ms(graph),
        launch_bound=summary.median > LAUNCH_BOUND * graph.summary.median if graph else None,
        warm_ms_median=_median_ms(warm),
        cold_ms_median=_median_ms(cold),
        ms_samples=(1e3 * samples.seconds).tolist(),
    )


def _median_ms(samples: LatencySamples | None) -> float | None:
    return None if samples is None else 1e3 * samples.summary.median


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds
