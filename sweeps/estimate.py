"""What a sweep would compute, exactly, and how long that may take, roughly: for --dry-run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..benchmark.flops import flops_row
from ..pose.data.dataset import PoseDataset
from ..pose.data.folder import load_people
from ..pose.keypoints import SKELETONS
from ..pose.models.model import PoseModel
from .grid import Cell
from .plan import Plan
from .timing import SECONDS, timing_groups
from .work import build_model

START_SECONDS = 6.0  # of a worker process: imports, annotations
RENDER_SECONDS = 25.0  # of the embedded set
BACKWARD = 2.0  # a backward pass costs about two forward passes
PROBE_IMAGES, PROBE_SECONDS = 8, 2.0


@dataclass(frozen=True)
class Speed:
    """Measured on this machine: seconds per image to load it, and per image and GFLOP to train on it and to run it."""

    load: float
    train: float
    forward: float


@dataclass(frozen=True)
class Estimate:
    """Per cell its counts (flops_row) and seconds; of the base models by key; and of the whole sweep."""

    counts: dict[str, dict[str, Any]]
    cell_seconds: dict[str, float]
    base_seconds: dict[str, float]
    total_seconds: float


def estimate(plan: Plan, jobs: int) -> Estimate:
    """Count every configuration; run a short probe of each model; scale by multiply-adds. The seconds are a guess: a
    probe of seconds does not know what else the machine will do, nor how it slows down when all cores are busy.
    """
    counted: dict[tuple, dict[str, Any]] = {}
    counts = {}
    for cell in plan.cells:
        config = cell.config
        name = (config["model"], config["mask"], config["mask_ratio"])
        if name not in counted:
            counted[name] = flops_row(build_model(config))
        counts[cell.key] = counted[name]
    unmasked = {cell.config["model"]: cell for cell in plan.cells if cell.is_baseline}
    speeds = {name: _measured(plan, cell, counts[cell.key]["gflops"]) for name, cell in unmasked.items()}
    cell_seconds = {}
    for cell in plan.cells:
        config, gflops = cell.config, counts[cell.key]["gflops"]
        drawn = (config["recipe"] or {}).get("mask_ratios")
        in_training = [counted[config["model"], config["mask"], ratio]["gflops"] for ratio in drawn or ()] or [gflops]
        cell_seconds[cell.key] = _seconds(
            plan,
            config,
            speeds[config["model"]],
            trained=sum(in_training) / len(in_training) if cell.trains else None,
            evaluated=gflops,
        )
    base_seconds = {}
    for key, config in plan.bases.items():
        gflops = counts[unmasked[config["model"]].key]["gflops"]
        base_seconds[key] = _seconds(plan, config, speeds[config["model"]], trained=gflops, evaluated=None)
        base_seconds[key] /= min(config["threads"], 1.4)  # small models gain little from more threads
    timing = 0.0
    if plan.spec.latency:
        timing = len(timing_groups(plan.cells, plan.spec)) * len(plan.spec.batch_sizes) * (SECONDS + START_SECONDS)
    total = sum(base_seconds.values()) + sum(cell_seconds.values()) / min(jobs, len(plan.cells)) + timing
    return Estimate(counts, cell_seconds, base_seconds, total + (0 if plan.data.made else RENDER_SECONDS))


def _seconds(
    plan: Plan, config: dict[str, Any], speed: Speed, *, trained: float | None, evaluated: float | None
) -> float:
    """trained, evaluated: GFLOPs of the model in training and in evaluation; None where there is none."""
    seconds = START_SECONDS
    if trained is not None:
        images = config["recipe"]["epochs"] * plan.data.train_people
        seconds += images * (speed.load + speed.train * trained)
    if evaluated is not None:
        passes = 2 if config["evaluation"]["flip_test"] else 1
        seconds += plan.data.eval_people * (speed.load + passes * speed.forward * evaluated)
    return seconds


def _measured(plan: Plan, cell: Cell, gflops: float) -> Speed:
    """A few training and evaluation steps of the unmasked model, and a few crops, on one cell's threads."""
    config = cell.config
    before = torch.get_num_threads()
    torch.set_num_threads(config["threads"])
    try:
        model = build_model(config).to(plan.spec.device)
        images = torch.randn(PROBE_IMAGES, 3, *model.spec.input_size, device=plan.spec.device)
        per_image = PROBE_IMAGES * gflops
        with torch.no_grad():
            forward = _time(lambda: model.eval()(images)) / per_image
        train = 0.0
        if config["recipe"]:
            train = _time(lambda: model.train()(images).square().mean().backward()) / per_image
        return Speed(_load_seconds(plan, model), train, forward)
    finally:
        torch.set_num_threads(before)


def _load_seconds(plan: Plan, model: PoseModel) -> float:
    if not plan.data.made:
        return 0.001
    data = load_people(plan.data.root, "val", input_size=model.spec.input_size, convention=model.spec.convention)
    spec, people = model.spec, data.people[:PROBE_IMAGES]
    sizes = spec.input_size, spec.heatmap_size, spec.sigma
    crops = PoseDataset(people, SKELETONS[data.layout], *sizes, convention=spec.convention)
    return _time(lambda: [crops[index] for index in range(len(people))]) / len(people)


def _time(call: Callable[[], object]) -> float:
    """Seconds of one call: the fastest of some, the first not counted."""
    call()
    times: list[float] = []
    begun = time.perf_counter()
    while not times or (len(times) < 5 and time.perf_counter() - begun < PROBE_SECONDS):
        start = time.perf_counter()
        result = call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        del result
    return min(times)
