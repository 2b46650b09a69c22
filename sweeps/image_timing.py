"""How long single images take under a reduction that keeps as many tokens as an image needs, timed interleaved, while
nothing else of the sweep runs, with no more tokens than the image or the longest of its batch has.

`python -m posebench.sweeps.image_timing FOLDER` is the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..benchmark.profiling.config import RunConfig
from ..pose.models.config import ModelConfig
from ..pose.records import digest
from ..row import ImageTimes, flat
from .child import Reporter, run_worker
from .config import CellConfig
from .image_cost import PERCENTILES, is_adaptive
from .request import SweepRequest
from .store import SweepStore, is_ok, read_json, read_result, write_json

SECONDS = 20.0  # for the samples of all of a job


@dataclass(frozen=True)
class ImageTimingJob:
    """cells: keys of what is timed together at one batch size; models: of each; lengths: of each those at the
    percentiles of its count."""

    cells: tuple[str, ...]
    models: tuple[ModelConfig, ...]
    lengths: tuple[tuple[tuple[int, ...], ...], ...]
    run: RunConfig
    device: str
    batch_size: int
    samples: int


def image_timing_jobs(
    store: SweepStore, cells: Sequence[CellConfig], request: SweepRequest
) -> dict[str, ImageTimingJob]:
    """What of done cells is still to be timed, by key: a job for each batch size and number of threads."""
    groups: dict[tuple[RunConfig, int], list[tuple[CellConfig, Any]]] = {}
    for cell in filter(is_adaptive, cells):
        for size in sorted(request.batch_sizes):
            cost, times = (store.cell_dir(cell.key) / f"image_{what}_{size}.json" for what in ("cost", "ms"))
            if cost.is_file() and not times.is_file():
                lengths = read_json(cost, "delete it, and it is done again")["lengths"]
                groups.setdefault((cell.run, size), []).append((cell, tuple(map(tuple, lengths))))
    jobs = []
    for (run, size), found in groups.items():
        keys, models = tuple(cell.key for cell, _ in found), tuple(cell.executed for cell, _ in found)
        lengths = tuple(own for _, own in found)
        jobs.append(ImageTimingJob(keys, models, lengths, run, run.device, size, request.samples))
    return {digest(job): job for job in jobs}


def note_times(store: SweepStore, key: str, job: ImageTimingJob) -> None:
    """Write what a finished job found into the folders of its cells."""
    folder = store.timing_dir(key)
    if is_ok(folder):
        for cell, columns in read_result(folder)["times"].items():
            write_json(store.cell_dir(cell) / f"image_ms_{job.batch_size}.json", columns)


def measure(folder: Path, job: ImageTimingJob, reporter: Reporter) -> dict[str, Any]:
    """Time the transformer of every model at each of its lengths. Returns result.json's content."""
    import torch

    from ..benchmark.instruments.allocator import keep_freed_memory
    from ..benchmark.instruments.device import use_device
    from ..benchmark.instruments.environment import conditions
    from ..benchmark.profiling.models import time_models
    from .work import build_model

    torch.set_num_threads(job.run.threads)
    keep_freed_memory()
    device = use_device(job.device, tf32=job.run.tf32)
    models = {}
    for config, lengths in zip(job.models, job.lengths, strict=True):
        for own in lengths:
            if (config, own) not in models:
                model = build_model(config).eval()
                model.transformer.mask.set_lengths(own)
                models[config, own] = model
    told = reporter.progress("latency")

    def progress(done: int, total: int, **info: object) -> None:
        told(done, total)

    rows = time_models(
        models,
        job.batch_size,
        [job.run],
        device=device,
        threads=job.run.threads,
        max_samples=job.samples,
        max_seconds=SECONDS,
        progress=progress,
    )
    times = {}
    for key, config, lengths in zip(job.cells, job.models, job.lengths, strict=True):
        timed = [rows[(config, own), job.run] for own in lengths]
        found = dict(zip((f"p{percent}" for percent in PERCENTILES), timed, strict=True))
        medians = {name: row["latency_transformer_ms_median"] for name, row in found.items()}
        unstable = any(row["latency_transformer_unstable"] for row in timed)
        times[key] = flat("padded_ms", ImageTimes(**medians, unstable=unstable))
    return {"times": times, "conditions": conditions(job.device, job.run.dtype, job.run.threads, None)}


if __name__ == "__main__":
    run_worker(measure, ImageTimingJob)
