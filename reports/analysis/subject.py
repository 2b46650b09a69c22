"""The records of a comparison: a model under one set of conditions, its masks' points, and what was timed at each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...pose.metrics import Metric
from .intervals import ONE_SEED, Estimate, SeedSpread
from .margin import MARGIN, allowed_loss
from .results import Spread, is_missing
from .timed import ALL_TIMES, Times


@dataclass(frozen=True)
class PartLatency:
    """Latency of the whole model or of its transformer: milliseconds per forward pass.

    `median`: over the seeds' medians. `iqr`: interquartile range, mean over seeds. `ratio`: to the unmasked model's
    median, with its 95 % interval. `samples`: behind each median, the fewest of the seeds; `processes`: that timed it.
    """

    median: Spread
    iqr: float | None
    unstable: bool
    ratio: Estimate | None
    samples: int | None = None
    processes: int = 1


@dataclass(frozen=True)
class Over:
    """5th percentile, median and 95th of what differs between images, or batches of them; means over the seeds."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Timing:
    """Measurements at one batch size; memory in MiB; energy: joules per image over the unmasked model's.

    padded_...: of a mask whose images keep different numbers of tokens, over batches of that size that are filled up to
    their longest image; ms of the transformer.
    """

    whole: PartLatency | None
    transformer: PartLatency | None
    memory: Spread | None
    energy: Estimate | None = None
    padded_tokens: Over | None = None
    padded_gflops_t: Over | None = None
    padded_ms: Over | None = None
    padded_unstable: bool = False


@dataclass(frozen=True)
class Point:
    """One mask at one ratio, over its seeds. `ci` and `difference` (to the unmasked model) as `intervals` has them.

    `ratio`: what is gone after the last block; `mean_ratio`: the mean over the blocks, less where tokens go inside
    the network. `gflops_t` counts what is executed, `gflops_t_needed` (1e9 MAC; models that cut connections) leaves
    out products that a 0-1 mask sets to zero. Where images keep different numbers of tokens, counts are of the most
    that one can keep, which is executed, and `image_tokens` and `image_gflops_t` are of single images. `cells`: its
    rows, one for each seed. `trainings`: how much differences to the unmasked model spread over the seeds, pooled over
    the model's cells.
    """

    mask: str
    ratio: float
    seeds: int
    tokens_kept: int | None
    tokens_total: int | None
    accuracy: Spread | None
    ci: tuple[float, float] | None
    difference: Estimate | None
    gflops: float | None
    gflops_t: float | None
    published_gflops: float | None
    published_gflops_t: float | None
    mean_ratio: float | None = None
    gflops_t_needed: float | None = None
    execution: str | None = None
    image_tokens: Over | None = None
    image_gflops_t: Over | None = None
    timings: Mapping[int, Timing] = field(default_factory=dict)
    cells: Sequence[Mapping[str, Any]] = ()
    trainings: SeedSpread = ONE_SEED

    @property
    def people(self) -> int | None:
        """How many it was judged by, where the rows tell."""
        return next((row["eval_people"] for row in self.cells if not is_missing(row.get("eval_people"))), None)

    @property
    def keeps_all_tokens(self) -> bool:
        """True of a masked point that drops no token: its ratio is one of connections."""
        return self.ratio > 0 and self.tokens_kept is not None and self.tokens_kept == self.tokens_total


@dataclass(frozen=True)
class Subject:
    """One model under one set of conditions: its unmasked baseline and, per mask, its points by rising ratio.

    `margin`: the loss that counts as negligible, as a fraction of the metric's full scale. `times`: of which machine
    they are.
    """

    label: str
    keys: Mapping[str, Any]
    metric: Metric
    baseline: Point | None
    series: Mapping[str, Sequence[Point]]
    margin: float = MARGIN
    times: Times = ALL_TIMES

    @property
    def allowed_loss(self) -> float | None:
        """The loss that counts as negligible, in the metric's unit; None without an unmasked accuracy above 0."""
        unmasked = mean_of(self.baseline.accuracy) if self.baseline else None
        return None if not unmasked else allowed_loss(self.margin, unmasked, self.metric.full_scale)

    @property
    def points(self) -> list[Point]:
        """All masked points, mask by mask."""
        return [point for points in self.series.values() for point in points]

    @property
    def batch_sizes(self) -> list[int]:
        """Batch sizes at which anything was timed, rising."""
        every = [*self.points, *([self.baseline] if self.baseline else [])]
        return sorted({size for point in every for size in point.timings})


def saving(value: float | None, base: float | None) -> float | None:
    """The fraction of `base` that `value` saves: 0.4 when 60 is left of 100, negative when it costs more."""
    if is_missing(value) or is_missing(base) or base <= 0:
        return None
    return 1.0 - value / base


def mean_of(spread: Spread | None) -> float | None:
    """The mean, or None where nothing was measured."""
    return spread.mean if spread else None
