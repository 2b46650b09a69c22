"""Where a counted saving goes: a model before and after a mask, part by part and operator by operator, in a runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ...pose.errors import InputError
from ...pose.models.choices import choose_models
from ...pose.models.config import ModelConfig
from ...pose.models.model import PoseModel
from ...pose.models.zoo import create_model
from ..counting.flops import untrained_model
from ..instruments.allocator import keep_freed_memory
from ..instruments.device import DTYPES, torch_threads
from ..instruments.latency import LatencySamples, measure_latency
from ..profiling.config import ProfileConfig, RunConfig
from ..profiling.in_runtime import TOLERANCE, compare
from ..profiling.models import crops_for, example_images
from ..runtimes.descriptor import FLOAT32, INT8
from ..runtimes.prepared import Task, prepare
from ..runtimes.registry import find_runtime
from .ceilings import Ceilings, measure_ceilings
from .kinds import ATTENTION, BETWEEN, KINDS, MATMUL, kind_of
from .parts import BACKBONE, CHOOSING, DECODER, PARTS, scopes_of
from .passes import Pass, Profiled
from .work import Work, work_of

WARM_UP = 2  # profiled passes that are not read
Key = tuple[str | None, str]


@dataclass(frozen=True)
class Spent:
    """What the operators of one kind in one part take: macs, bytes, and ms of a pass."""

    macs: int = 0
    bytes: int = 0
    ms: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.macs + other.macs, self.bytes + other.bytes, self.ms + other.ms)


@dataclass(frozen=True)
class Explained:
    """One mask in one runtime. before, after: by (part, kind), adding up to the medians of passes that no profiler
    watched; part None: of no part that the runtime's names tell. profiler_x: how much longer they took under it.
    mapped: the share of the time whose part the runtime's own names tell. about: columns that say what it is."""

    about: Mapping[str, Any]
    before: Mapping[Key, Spent]
    after: Mapping[Key, Spent]
    profiler_x: float
    mapped: float
    unstable: bool
    ceilings: Ceilings
    notes: tuple[str, ...] = field(default=())

    @property
    def parts(self) -> tuple[str, ...]:
        """Those that there are, in order."""
        there = {part for part, _ in (*self.before, *self.after)}
        return tuple(part for part in PARTS if part in there)

    def total(self, which: str, parts: Sequence[str | None] | None = None, kind: str | None = None) -> Spent:
        """The sum over some parts (None: all) and one kind (None: all) of "before" or "after"."""
        chosen = getattr(self, which).items()
        return sum(
            (one for (part, k), one in chosen if (parts is None or part in parts) and kind in (None, k)), Spent()
        )

    @property
    def behind_backbone(self) -> tuple[str, ...]:
        """The parts of the transformer, the scope of GFLOPsT."""
        return tuple(part for part in self.parts if part not in (BACKBONE, DECODER))


def explain(
    names: Sequence[str],
    masks: Sequence[str],
    ratios: Sequence[float],
    how: ProfileConfig,
    *,
    batch_size: int = 1,
    passes: int = 20,
    progress: Callable[..., object] | None = None,
    **options: Any,
) -> list[Explained]:
    """Each model's masks against its unmasked form, in every runtime of `how`.

    Both are compared with eager in float32, then timed interleaved without a profiler (how.samples, how.seconds), then
    `passes` times by turns under the runtime's profiler; the medians of the second are scaled to that of the first.
    options: of create_model. InputError for a runtime without a profiler, what is unequal, and as `profile` does.
    """
    chosen = choose_models(list(names), masks, ratios, baseline=True, **options)
    runs, _ = how.runs()
    for run in runs:
        if find_runtime(run.runtime).profiler() is None:
            raise InputError(f"runtime {run.runtime} has no profiler that explain reads")
    if not any(not config.reduction.is_none for config in chosen):
        raise InputError("nothing is masked: give --mask and --ratios above 0")
    keep_freed_memory()
    models = {config: create_model(config).eval() for config in chosen}
    explained, total = [], len(runs) * (len(models) + passes)
    with torch_threads(how.run.threads):
        limits = {name: measure_ceilings(DTYPES.get(name, torch.float32)) for name in {run.dtype for run in runs}}
        for number, run in enumerate(runs):
            subjects = {}
            for done, (config, model) in enumerate(models.items(), start=1):
                subjects[config] = _Subject.of(model, run, batch_size, how)
                if progress is not None:
                    progress(number * (total // len(runs)) + done, total, stage=f"preparing {run.runtime}")
            calls = {config: subject.call for config, subject in subjects.items()}
            timing = {"max_samples": how.samples, "max_seconds": how.seconds, "threads": how.run.threads, "retries": 0}
            clock = measure_latency(calls, **timing)
            with torch.inference_mode():
                for done in range(WARM_UP + passes):
                    for subject in subjects.values():
                        subject.profiled.run()
                    if progress is not None and done >= WARM_UP:
                        at = number * (total // len(runs)) + len(models) + done - WARM_UP + 1
                        progress(at, total, stage=f"profiling {run.runtime}")
            spent = {config: subject.spent(clock[config]) for config, subject in subjects.items()}
            for config in chosen:
                before = _unmasked(config, chosen)
                if before is not None:
                    two = {"before": spent[before], "after": spent[config]}
                    pair = clock[before], clock[config]
                    explained.append(_explained(models[config], run, batch_size, two, pair, limits[run.dtype]))
    return explained


@dataclass(frozen=True)
class _Subject:
    """A model in a runtime: timed by `call`, watched by `profiled`; work: what it does by count."""

    call: Callable[[], object]
    profiled: Profiled
    work: Mapping[tuple[str, str], Work]

    @classmethod
    def of(cls, model: PoseModel, run: RunConfig, batch_size: int, how: ProfileConfig) -> _Subject:
        inputs = example_images(model, batch_size), torch.arange(batch_size)
        crops = crops_for(model.spec, (run,), how.data) if run.dtype == INT8 else None
        calibration = [] if crops is None else [(x[None], torch.tensor([n])) for n, x in enumerate(crops.calibration)]
        task = Task(model, inputs, run.dtype, torch.device("cpu"), run.threads, calibration)
        prepared, runtime, scopes = prepare(run.runtime, task), find_runtime(run.runtime), scopes_of(model)
        if not run.is_reference:
            drift = compare(model, prepared, inputs[0], crops)["drift_heatmap"]
            if run.dtype == FLOAT32 and not drift <= TOLERANCE:
                raise InputError(f"runtime {run.runtime}, {model.spec.mask}: heatmaps differ from eager's by {drift:.2g}")
        profiler = runtime.profiler()
        assert profiler is not None, "asked before"
        work = work_of(runtime.executed(model), inputs, scopes)
        return cls(prepared.bind(*inputs), profiler(task, prepared, scopes), work)

    def spent(self, clock: LatencySamples) -> tuple[dict[Key, Spent], float, float]:
        """By (part, kind), scaled to the clock's median; how much longer it took under the profiler; what is mapped."""
        watched = self.profiled.passes()[WARM_UP:]
        seconds, moved = _medians(watched)
        kinds = {kind for _, kind in seconds}
        found: dict[Key, Spent] = {}
        for (part, kind), work in self.work.items():
            if kind == ATTENTION and ATTENTION not in kinds:  # of which this runtime makes products
                kind = MATMUL
            if work.macs or not moved:
                found[part, kind] = found.get((part, kind), Spent()) + Spent(work.macs, 0 if moved else work.bytes)
        factor = clock.summary.median / sum(seconds.values())
        for key, value in seconds.items():
            found[key] = found.get(key, Spent()) + Spent(0, moved.get(key, 0), 1e3 * factor * value)
        return found, 1 / factor, float(np.median([one.mapped for one in watched]))


def _medians(watched: Sequence[Pass]) -> tuple[dict[Key, float], dict[Key, int]]:
    """Seconds by (part, kind), the median over passes, and bytes where the runtime tells them."""
    sums: list[dict[Key, float]] = []
    for one in watched:
        sums.append({})
        for operator in one.operators:
            key = operator.part, BETWEEN if operator.name == BETWEEN else kind_of(operator.name)
            sums[-1][key] = sums[-1].get(key, 0.0) + operator.seconds
    keys = dict.fromkeys(key for one in sums for key in one)
    moved: dict[Key, int] = {}
    for operator in watched[0].operators:
        if operator.bytes is not None:
            key = operator.part, kind_of(operator.name)
            moved[key] = moved.get(key, 0) + operator.bytes
    return {key: float(np.median([one.get(key, 0.0) for one in sums])) for key in keys}, moved


def _explained(
    model: PoseModel, run: RunConfig, batch_size: int, two: Mapping[str, Any], clocks: Any, limits: Ceilings
) -> Explained:
    spec = model.spec
    about = {
        "model": spec.name, "mask": spec.mask, "mask_ratio": spec.mask_ratio, "runtime": run.runtime,
        "dtype": run.dtype, "batch_size": batch_size, "threads": clocks[0].threads,
    }  # fmt: skip
    notes = []
    mapped = min(two[which][2] for which in two)
    if mapped < 1:
        notes.append(f"{100 * mapped:.0f} % of the time by names of this runtime's nodes, the rest by their neighbours")
    in_parts = any(part is not None for _, after, *_ in [(0, *two["after"])] for part, _ in after)
    if not in_parts:
        notes.append("this runtime's operators cannot be told apart by part of the model")
    return Explained(
        about,
        two["before"][0],
        two["after"][0],
        max(two[which][1] for which in two),
        mapped,
        any(clock.unstable for clock in clocks),
        limits,
        tuple(notes),
    )


def _unmasked(config: ModelConfig, chosen: Sequence[ModelConfig]) -> ModelConfig | None:
    """The unmasked configuration of the same model; None for that itself."""
    if config.reduction.is_none:
        return None
    return next(
        other for other in chosen if other.reduction.is_none and (other.name, other.dataset) == (config.name, config.dataset)
    )


__all__ = ["BETWEEN", "CHOOSING", "KINDS", "Explained", "Spent", "explain", "untrained_model"]
