"""Latency columns of a results row: models timed together, whole and behind the backbone, at one batch size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .latency import LatencySamples, measure_latency
from .statistics import ratio_of_medians

Row = dict[str, object]


@dataclass(frozen=True)
class Subject:
    """What is timed under one name. Both callables do one forward pass and take nothing.

    whole: the whole model. transformer: everything behind the backbone's feature map, on features computed before;
    None where the model has no such parts. baseline: name of the subject that this one is compared with.
    """

    whole: Callable[[], object]
    transformer: Callable[[], object] | None = None
    baseline: str | None = None


def time_together(subjects: Mapping[str, Subject], batch_size: int, **how: object) -> dict[str, Row]:
    """Time all subjects and their parts interleaved; the latency columns of each, times in milliseconds.

    `how` goes to measure_latency: device, min_samples, max_samples, max_seconds, threads, retries, seed, progress.
    For the whole model (`latency_...`) and, where there is one, the transformer (`latency_transformer_...`):
    ms_median, ms_iqr, ms_p90 (None below 64 samples), ms_p95 (130), ms_p99 (662), ms_median_low and ms_median_high
    (95 % interval), samples (count), unstable (spread, disturbance or still getting faster), contended, ms_samples
    (the raw times, in order of measurement); against the baseline, if it is among the subjects: vs_unmasked, the ratio
    of the medians, with vs_unmasked_low and vs_unmasked_high (95 % interval). Beside them throughput_images_per_s
    (batch size over median), latency_attempts, latency_warmup_calls, foreign_cpu_share and waiting_cpu_share.
    """
    calls = {("whole", name): subject.whole for name, subject in subjects.items()}
    calls |= {("transformer", name): s.transformer for name, s in subjects.items() if s.transformer is not None}
    found = measure_latency(calls, **how)  # type: ignore[arg-type]
    rows = {}
    for name, subject in subjects.items():
        whole, transformer = found["whole", name], found.get(("transformer", name))
        row = _columns("latency", whole, found.get(("whole", subject.baseline)))
        row["throughput_images_per_s"] = batch_size / whole.summary.median
        if transformer is not None:
            row |= _columns("latency_transformer", transformer, found.get(("transformer", subject.baseline)))
        rows[name] = row | {
            "latency_attempts": whole.attempts,
            "latency_warmup_calls": whole.warmup_calls,
            "foreign_cpu_share": whole.interference.foreign_share,
            "waiting_cpu_share": whole.interference.waiting_share,
        }
    return rows


def _columns(prefix: str, samples: LatencySamples, baseline: LatencySamples | None) -> Row:
    summary = samples.summary
    row: Row = {
        f"{prefix}_ms_{name}": None if value is None else 1e3 * value
        for name, value in (
            ("median", summary.median),
            ("iqr", summary.iqr),
            ("p90", summary.p90),
            ("p95", summary.p95),
            ("p99", summary.p99),
            ("median_low", summary.median_low),
            ("median_high", summary.median_high),
        )
    }
    row[f"{prefix}_samples"] = summary.n
    row[f"{prefix}_unstable"] = samples.unstable
    row[f"{prefix}_contended"] = samples.contended
    row[f"{prefix}_ms_samples"] = (1e3 * samples.seconds).tolist()
    if baseline is not None:
        names = ("vs_unmasked", "vs_unmasked_low", "vs_unmasked_high")
        ratio = ratio_of_medians(samples.seconds, baseline.seconds)
        row |= {f"{prefix}_{name}": value for name, value in zip(names, ratio, strict=True)}
    return row
