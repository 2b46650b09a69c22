"""Latency of a sweep's configurations, measured interleaved in one process while nothing else of the sweep runs.

`python -m posebench.sweeps.timing FOLDER` is the worker. Its result holds, per configuration and batch size, the
latency columns with the raw samples, and the conditions.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from .child import Reporter, run_worker
from .grid import Cell, Executed, ModelConfig, RunConfig, config_key
from .spec import SweepSpec
from .store import SweepStore, is_ok, read_result

VERSION = 2
SECONDS = 20.0  # for the samples of one batch size, all configurations together


def timing_groups(cells: list[Cell], spec: SweepSpec) -> dict[str, dict[str, Any]]:
    """What is to be measured together: key -> task. One group per number of threads, which a process has but one of.

    A model's time does not depend on how it was trained, so that elastic cells add nothing.
    """
    groups: dict[RunConfig, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        if not cell.is_elastic:
            executed = Executed.of(cell.config)
            groups.setdefault(executed.run, {})[executed.key] = dataclasses.asdict(executed.model)
    tasks = {}
    for run, models in groups.items():
        task = dataclasses.asdict(run) | {
            "version": VERSION,
            "models": models,
            "batch_sizes": sorted(spec.batch_sizes),
            "device": spec.device,
            "samples": spec.samples,
            "seconds": SECONDS,
        }
        tasks[config_key(task)] = task
    return tasks


def read_timings(store: SweepStore, cells: list[Cell], spec: SweepSpec) -> dict[str, dict[str, Any]]:
    """Key of what is executed -> batch size (text) -> columns, of the groups that are measured already."""
    found: dict[str, dict[str, Any]] = {}
    for key in timing_groups(cells, spec):
        if is_ok(store.timing_dir(key)):
            found |= read_result(store.timing_dir(key))["timings"]
    return found


def measure(folder: Path, task: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Time all models of a task at each batch size. Returns result.json's content."""
    import torch

    from ..benchmark.allocator import keep_freed_memory
    from ..benchmark.device import check_device, check_dtype
    from ..benchmark.environment import conditions
    from ..benchmark.precision import Precision
    from ..benchmark.profiling import time_models
    from .work import build

    torch.set_num_threads(task["threads"])
    keep_freed_memory()
    device = check_device(task["device"])
    precision = Precision(check_dtype(task["dtype"], device), device)
    models = {key: precision.place(build(ModelConfig(**model), seed=0)) for key, model in task["models"].items()}
    timings: dict[str, dict[str, Any]] = {name: {} for name in models}
    for number, size in enumerate(task["batch_sizes"]):

        def progress(done: int, total: int, number: int = number, **info: object) -> None:
            reporter.progress("latency")(number * total + done, len(task["batch_sizes"]) * total)

        rows = time_models(
            models,
            size,
            precision,
            threads=task["threads"],
            max_samples=task["samples"],
            min_samples=min(task["samples"], 10),
            max_seconds=task["seconds"],
            progress=progress,
        )
        for name, row in rows.items():
            timings[name][str(size)] = row
    where = conditions(task["device"], task["dtype"], task["threads"], None)
    return {"timings": timings, "conditions": where}


if __name__ == "__main__":
    run_worker(measure)
