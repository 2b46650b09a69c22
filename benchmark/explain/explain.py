"""Where a counted saving goes: a model before and after a mask, part by part and operator by operator, in a runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from ...pose.errors import InputError
from ...pose.models.choices import choose_models
from ...pose.models.model import PoseModel
from ...pose.models.zoo import create_model
from ..instruments.allocator import keep_freed_memory
from ..instruments.device import DTYPES, torch_threads
from ..instruments.latency import LatencySamples, measure_latency
from ..profiling.config import ProfileConfig, RunConfig
from ..profiling.in_runtime import check_equal
from ..profiling.models import check_room_for, crops_for, example_images, unmasked_of
from ..runtimes.descriptor import INT8
from ..runtimes.prepared import Task, prepare
from ..runtimes.registry import find_runtime
from .ceilings import Ceilings, measure_ceilings
from .kinds import ATTENTION, BETWEEN, MATMUL, kind_of
from .parts import BACKBONE, DECODER, PARTS, scopes_of
from .passes import Pass, Profiled
from .work import Work, work_of

#: how far from 1 the profiler's times may be scaled without a word
ADJUSTED = 0.1
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
    watched; part None: of no part that the runtime can tell. profiler_x: how much longer they took under it.
    mapped: the share of the time whose part the runtime's own names tell. about: columns that say what it is."""

    about: Mapping[str, Any]
    before: Mapping[Key, Spent]
    after: Mapping[Key, Spent]
    profiler_x: float
    mapped: float
    unstable: bool
    ceilings: Ceilings
    notes: tuple[str, ...] = ()

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
    progress: Callable[..., object] | None = None,
    **options: Any,
) -> list[Explained]:
    """Each model's masks against its unmasked form, in every runtime of `how`.

    Both are compared with eager in float32, then run interleaved, with and without the runtime's profiler (how.samples,
    how.seconds for each). What the profiler says is made to add up to the passes without it (share_out).
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
    check_room_for(models.values(), batch_size)
    explained: list[Explained] = []
    with torch_threads(how.run.threads):
        limits = {name: measure_ceilings(DTYPES.get(name, torch.float32)) for name in {run.dtype for run in runs}}
        for number, run in enumerate(runs):
            subjects = {}
            for done, (config, model) in enumerate(models.items(), start=number * len(models) + 1):
                subjects[config] = _Subject.of(model, run, batch_size, how)
                if progress is not None:
                    progress(done, len(runs) * len(models), stage=f"preparing {run.runtime}")
            calls: dict[Any, Callable[[], object]] = {}
            for config, subject in subjects.items():
                calls |= {(config, False): subject.call, (config, True): subject.profiled.run}
            clock = measure_latency(
                calls,
                max_samples=how.samples,
                max_seconds=how.seconds,
                threads=how.run.threads,
                retries=0,
                progress=progress and partial(progress, stage=f"measuring {run.runtime}"),
            )
            spent = {c: subject.spent(clock[c, False], clock[c, True]) for c, subject in subjects.items()}
            for config in chosen:
                before = unmasked_of(config, chosen)
                if before is not None:
                    two = {"before": spent[before], "after": spent[config]}
                    pair = clock[before, False], clock[config, False]
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
        task = Task(model, inputs, run.dtype, torch.device("cpu"), run.threads, crops.inputs if crops else [])
        prepared, runtime, scopes = prepare(run.runtime, task), find_runtime(run.runtime), scopes_of(model)
        check_equal(model, prepared, run, inputs[0])
        profiler = runtime.profiler()
        assert profiler is not None, "asked before"
        work = work_of(runtime.executed(model), inputs, scopes)
        return cls(prepared.bind(*inputs), profiler(task, prepared, scopes), work)

    def spent(self, clock: LatencySamples, watched: LatencySamples) -> _Shared:
        """By (part, kind), adding up to the clock's median."""
        passes = self.profiled.passes(watched.warmup_calls)
        ms, scaled = share_out(passes, 1e3 * clock.summary.median)
        moved = _moved(passes[0])
        found: dict[Key, Spent] = {}
        kinds, in_parts = {kind for _, kind in ms}, any(part is not None for part, _ in ms)
        for (part, kind), work in self.work.items():
            if kind == ATTENTION and ATTENTION not in kinds:  # of which this runtime makes products
                kind = MATMUL
            bytes = 0 if moved or kind not in kinds else work.bytes  # what a compiler fuses moves less, unknown
            if work.macs or bytes:
                key = part if in_parts else None, kind
                found[key] = found.get(key, Spent()) + Spent(work.macs, bytes)
        for key, value in ms.items():
            found[key] = found.get(key, Spent()) + Spent(0, moved.get(key, 0), value)
        slower = watched.summary.median / clock.summary.median
        return _Shared(found, slower, scaled, float(np.median([one.mapped for one in passes])))


@dataclass(frozen=True)
class _Shared:
    """A pass shared out. slower: under the profiler; scaled: its operators' times, to what a pass takes without it."""

    spent: Mapping[Key, Spent]
    slower: float
    scaled: float
    mapped: float


def share_out(passes: Sequence[Pass], pass_ms: float) -> tuple[dict[Key, float], float]:
    """ms by (part, kind) of a pass that takes so many without a profiler, and what operators' times were scaled by.

    Of each the median over passes. A profiler lengthens the gaps first: they get what the operators leave of the pass,
    and no more than the profiler saw, in the parts where it saw them. Then all is scaled to the pass.
    """
    sums: list[dict[Key, float]] = []
    for one in passes:
        sums.append({})
        for operator in one.operators:
            key = operator.part, BETWEEN if operator.name == BETWEEN else kind_of(operator.name)
            sums[-1][key] = sums[-1].get(key, 0.0) + 1e3 * operator.seconds
    keys = dict.fromkeys(key for one in sums for key in one)
    medians = {key: float(np.median([one.get(key, 0.0) for one in sums])) for key in keys}
    gaps = sum(value for key, value in medians.items() if key[1] == BETWEEN)
    operators = sum(medians.values()) - gaps
    left = min(gaps, max(0.0, pass_ms - operators))
    scaled = pass_ms / (operators + left)
    gap = scaled * left / max(gaps, 1e-12)
    return {key: value * (gap if key[1] == BETWEEN else scaled) for key, value in medians.items()}, scaled


def _moved(one: Pass) -> dict[Key, int]:
    """Bytes by (part, kind), where the runtime tells them."""
    moved: dict[Key, int] = {}
    for operator in one.operators:
        if operator.bytes is not None:
            key = operator.part, kind_of(operator.name)
            moved[key] = moved.get(key, 0) + operator.bytes
    return moved


def _explained(
    model: PoseModel,
    run: RunConfig,
    batch_size: int,
    two: Mapping[str, _Shared],
    clocks: Sequence[LatencySamples],
    limits: Ceilings,
) -> Explained:
    spec = model.spec
    about = {
        "model": spec.name, "mask": spec.mask, "mask_ratio": spec.mask_ratio, "runtime": run.runtime,
        "dtype": run.dtype, "batch_size": batch_size, "threads": clocks[0].threads,
    }  # fmt: skip
    notes = []
    if all(part is None for part, _ in two["after"].spent):
        notes.append("this runtime's operators cannot be told apart by part of the model: by kind only")
    mapped = min(one.mapped for one in two.values())
    scaled = max((one.scaled for one in two.values()), key=lambda factor: abs(factor - 1))
    if mapped < 1:
        notes.append(f"{100 * mapped:.0f} % of the time by names of this runtime's nodes, the rest by their neighbours")
    if abs(scaled - 1) > ADJUSTED:
        why = "do not add up to a pass without it (a busy machine?)"
        notes.append(f"the profiler's times {why} and are x {scaled:.2f}")
    return Explained(
        about,
        two["before"].spent,
        two["after"].spent,
        max(one.slower for one in two.values()),
        mapped,
        any(clock.unstable for clock in clocks),
        limits,
        tuple(notes),
    )
