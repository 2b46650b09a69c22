"""What a sweep would compute, exactly, and how long that may take, roughly: for --dry-run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch

from ..benchmark.counting.flops import flops_row
from ..benchmark.instruments.device import check_device
from ..benchmark.instruments.energy import REST_SECONDS, WINDOW_SECONDS, WINDOWS
from ..pose.crops.dataset import PoseDataset
from ..pose.errors import InputError
from ..pose.models.config import ModelConfig
from ..pose.models.model import PoseModel
from .config import CellConfig
from .data import load_split
from .plan import Plan
from .runner import is_complete, missing_bases
from .store import SweepStore, is_ok
from .timing import SECONDS, timing_groups
from .work import build_model

START_SECONDS = 6.0  # of a worker process: imports, annotations
RENDER_SECONDS = 25.0  # of the embedded set
PROBE_IMAGES, PROBE_SECONDS = 8, 2.0


@dataclass(frozen=True)
class Speed:
    """Measured on this machine: seconds per image to load it, and per image and GFLOP to train on it and to run it."""

    load: float
    train: float
    forward: float


@dataclass(frozen=True)
class Estimate:
    """Per cell its counts (flops_row) and seconds; of the base models by key; and of the whole sweep. Seconds are of
    what is left to do: 0 for what is finished. probed_on: a device of this machine, the CPU where it has none such as
    the sweep is for."""

    counts: dict[str, dict[str, Any]]
    cell_seconds: dict[str, float]
    base_seconds: dict[str, float]
    total_seconds: float
    probed_on: str


def estimate(plan: Plan, jobs: int, store: SweepStore | None = None) -> Estimate:
    """Count every configuration; run a short probe of each model that has work left; scale by multiply-adds. The
    seconds are a guess: a probe of seconds does not know what else the machine will do, nor how it slows down when all
    cores are busy. store: the folder that the sweep goes on in, if there is one.
    """
    done = {cell.key for cell in plan.cells if store and store.is_done(cell.key)}
    complete = {cell.key for cell in plan.cells if store and is_complete(store, cell, plan.request)}
    bases = missing_bases(store, plan) if store else list(plan.bases)
    count = cache(flops_row)
    counts = {cell.key: count(cell.executed) for cell in plan.cells}
    working = {cell.model.name for cell in plan.cells if cell.key not in done}
    unmasked = {cell.model.name: cell for cell in plan.models}
    device = _device_here(plan.request.device)
    speeds = {
        name: _measured(plan, unmasked[name], count(unmasked[name].executed)["gflops"], device) for name in working
    }
    cell_seconds = {}
    for cell in plan.cells:
        if cell.key in done:
            cell_seconds[cell.key] = 0.0 if cell.key in complete else START_SECONDS
            continue
        gflops = counts[cell.key]["gflops"]
        in_training = [count(model)["gflops"] for model in _trained_as(cell)]
        cell_seconds[cell.key] = _seconds(
            plan,
            cell,
            speeds[cell.model.name],
            trained=sum(in_training) / len(in_training) if cell.trains else None,
            evaluated=gflops if cell.evaluates else None,
        )
    base_seconds = dict.fromkeys(plan.bases, 0.0)
    for key in bases:
        base = plan.bases[key]
        gflops = count(base.executed)["gflops"]
        base_seconds[key] = _seconds(plan, base, speeds[base.model.name], trained=gflops, evaluated=None)
        base_seconds[key] /= min(base.run.threads, 1.4)  # small models gain little from more threads
    timing = 0.0
    if plan.request.latency:
        groups = [
            job
            for key, job in timing_groups(plan.cells, plan.request).items()
            if not (store and is_ok(store.timing_dir(key)))
        ]
        timing = len(groups) * len(plan.request.batch_sizes) * (SECONDS + START_SECONDS)
        if plan.request.energy:
            measured = sum(len(job.models) * len(job.every_run) for job in groups)
            timing += measured * len(plan.request.batch_sizes) * WINDOWS * (WINDOW_SECONDS + REST_SECONDS)
    at_once = min(jobs, max(1, sum(seconds > 0 for seconds in cell_seconds.values())))
    total = sum(base_seconds.values()) + sum(cell_seconds.values()) / at_once + timing
    return Estimate(counts, cell_seconds, base_seconds, total + (0 if plan.data.made else RENDER_SECONDS), device)


def _device_here(device: str) -> str:
    """The device itself, or the CPU where only the machines have it that an executor runs the cells on."""
    try:
        check_device(device)
    except InputError:
        return "cpu"
    return device


def _seconds(plan: Plan, cell: CellConfig, speed: Speed, *, trained: float | None, evaluated: float | None) -> float:
    """trained, evaluated: GFLOPs of the model in training and in evaluation; None where there is none."""
    seconds = START_SECONDS
    if trained is not None:
        images = cell.train.epochs * plan.data.train_people
        seconds += images * (speed.load + speed.train * trained)
    if evaluated is not None:
        passes = 2 if cell.eval.flip_test else 1
        seconds += plan.data.eval_people * (speed.load + passes * speed.forward * evaluated)
    return seconds


def _trained_as(cell: CellConfig) -> list[ModelConfig]:
    """The model at each mask ratio that it is trained at."""
    drawn = cell.train.recipe.mask_ratios if cell.train.recipe else ()
    reduction = cell.model.reduction
    ratios = drawn or (reduction.ratio,)
    return [replace(cell.executed, reduction=replace(reduction, ratio=ratio)) for ratio in ratios]


def _measured(plan: Plan, cell: CellConfig, gflops: float, device: str) -> Speed:
    """A few training and evaluation steps of the unmasked model, and a few crops, on one cell's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(cell.run.threads)
    try:
        model = build_model(cell.model).to(device)
        images = torch.randn(PROBE_IMAGES, 3, *model.spec.input_size, device=device)
        per_image = PROBE_IMAGES * gflops
        with torch.no_grad():
            forward = _time(lambda: model.eval()(images), device) / per_image
        train = 0.0
        if cell.train.recipe:
            train = _time(lambda: model.train()(images).square().mean().backward(), device) / per_image
        return Speed(_load_seconds(plan, model) if cell.evaluates else 0.0, train, forward)
    finally:
        torch.set_num_threads(before)


def _load_seconds(plan: Plan, model: PoseModel) -> float:
    if not plan.data.made:
        return 0.001
    data = load_split(plan.data.root, "val", model.spec)
    spec, people = model.spec, data.people[:PROBE_IMAGES]
    sizes = spec.input_size, spec.heatmap_size, spec.sigma
    crops = PoseDataset(people, spec.skeleton, *sizes, convention=spec.convention)
    return _time(lambda: [crops[index] for index in range(len(people))]) / len(people)


def _time(call: Callable[[], object], device: str = "cpu") -> float:
    """Seconds of one call: the fastest of some, the first not counted. A CPU's dry run leaves CUDA alone."""
    call()
    times: list[float] = []
    begun = time.perf_counter()
    while not times or (len(times) < 5 and time.perf_counter() - begun < PROBE_SECONDS):
        start = time.perf_counter()
        result = call()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
        del result
    return min(times)
