"""Latency columns of a results row: models timed together, whole and behind the backbone, at one batch size."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from ...row import PartTiming, flat
from .latency import LatencySamples, measure_latency
from .statistics import ratio_of_medians

Row = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What is timed under one name. Both callables do one forward pass and take nothing.

    whole: the whole model. transformer: everything behind the backbone's feature map, on features computed before;
    None where the model has no such parts. baseline: name of the subject that this one is compared with. eager: name
    of the one that is the same model in eager float32.
    """

    whole: Callable[[], object]
    transformer: Callable[[], object] | None = None
    baseline: Hashable | None = None
    eager: Hashable | None = None


def time_together(subjects: Mapping[Any, Subject], batch_size: int, **how: Any) -> dict[Any, Row]:
    """Time all subjects and their parts interleaved; the latency columns of each, times in milliseconds.

    `how` goes to measure_latency: device, max_samples, max_seconds, threads, retries, seed, progress.
    For the whole model (`latency_...`) and, where there is one, the transformer (`latency_transformer_...`) the fields
    of row.PartTiming; vs_unmasked is against the baseline, x_eager against `eager`, None without.
    Beside them throughput_images_per_s (batch size over median), latency_attempts, latency_warmup_calls,
    foreign_cpu_share and waiting_cpu_share.
    """
    calls = {("whole", name): subject.whole for name, subject in subjects.items()}
    calls |= {("transformer", name): s.transformer for name, s in subjects.items() if s.transformer is not None}
    found = measure_latency(calls, **how)
    rows = {}
    for name, subject in subjects.items():
        whole, transformer = found["whole", name], found.get(("transformer", name))
        others = [found.get(("whole", other)) for other in (subject.baseline, subject.eager)]
        row = flat("latency", _part(whole, *others))
        row["throughput_images_per_s"] = batch_size / whole.summary.median
        if transformer is not None:
            others = [found.get(("transformer", other)) for other in (subject.baseline, subject.eager)]
            row |= flat("latency_transformer", _part(transformer, *others))
        rows[name] = row | {
            "latency_attempts": whole.attempts,
            "latency_warmup_calls": whole.warmup_calls,
            "foreign_cpu_share": whole.interference.foreign_share,
            "waiting_cpu_share": whole.interference.waiting_share,
        }
    return rows


def _part(samples: LatencySamples, baseline: LatencySamples | None, eager: LatencySamples | None) -> PartTiming:
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
        ms_samples=(1e3 * samples.seconds).tolist(),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds
