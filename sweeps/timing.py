"""Latency of a sweep's configurations, interleaved in one process or in each of several, while nothing else of the
sweep runs.

`python -m posebench.sweeps.timing FOLDER` is the worker. Its result holds, per configuration and batch size, the
latency columns with the raw samples, and the conditions; in another runtime or precision than that of the cells also
the memory, and the counts of what it executes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from ..benchmark.profiling.config import ProfileConfig, RunConfig, runs_of
from ..benchmark.runtimes.registry import find_runtime
from ..pose.models.config import ModelConfig
from ..pose.records import digest, unsaid
from .child import Reporter, run_worker
from .config import CellConfig, timing_key
from .executors import find_executor
from .origins import machine_of, read_origins, timings_in
from .request import SweepRequest
from .store import SweepStore, is_ok, read_result

VERSION = 3
SECONDS = 20.0  # for the samples of one batch size, all configurations together


@dataclass(frozen=True)
class TimingJob:
    """Models that are timed together. device: cpu or cuda; seconds: for the samples of one batch size, all models
    together; runs: the runtimes and precisions, if not `run` alone; gpu: the name of the one that they are timed on, so
    that another one's times are not taken for its own; processes: that share samples and seconds, each timing all;
    energy: joules per image, too, behind the times."""

    models: tuple[ModelConfig, ...]
    run: RunConfig
    device: str
    batch_sizes: tuple[int, ...]
    samples: int
    seconds: float = SECONDS
    version: int = VERSION
    runs: tuple[RunConfig, ...] = unsaid(())
    gpu: str = unsaid("")
    processes: int = unsaid(1)
    energy: bool = unsaid(False)

    @property
    def every_run(self) -> tuple[RunConfig, ...]:
        return self.runs or (self.run,)


def timing_groups(cells: list[CellConfig], request: SweepRequest) -> dict[str, TimingJob]:
    """What is to be measured together, by key. One group per number of threads, which a process has but one of.

    A model's time does not depend on how it was trained, so that elastic cells add nothing.
    """
    groups: dict[RunConfig, dict[ModelConfig, None]] = {}
    for cell in cells:
        if not cell.is_elastic:
            groups.setdefault(cell.run, {})[cell.executed] = None
    sizes, gpu = tuple(sorted(request.batch_sizes)), _gpu(request)
    jobs = [
        TimingJob(
            tuple(models),
            run,
            run.device,
            sizes,
            request.samples,
            runs=_other_runs(run, request),
            gpu=gpu,
            processes=request.processes,
            energy=request.energy,
        )
        for run, models in groups.items()
    ]
    return {digest(job): job for job in jobs}


def _gpu(request: SweepRequest) -> str:
    """The name of the GPU of this machine that measures, where the sweep is for one: the first of those asked for, as
    it is leased (executors/leases.py). None where there is none, or others run it."""
    if not request.device.startswith("cuda") or not find_executor(request.executor).here:
        return ""
    import torch

    number = min(request.device_numbers or (0,))
    return torch.cuda.get_device_name(number) if number < torch.cuda.device_count() else ""


def timing_folders(store: SweepStore, cells: list[CellConfig], request: SweepRequest) -> dict[str, TimingJob]:
    """timing_groups as a folder has them: a machine without a GPU, which reads what one has measured, takes its name
    from there."""
    found: dict[str, TimingJob] = {}
    for key, job in timing_groups(cells, request).items():
        if request.device.startswith("cuda") and not job.gpu and not is_ok(store.timing_dir(key)):
            for folder in sorted(store.timing_dir(key).parent.glob("*")):
                name = read_gpu(folder)
                other = replace(job, gpu=name)
                if name and digest(other) == folder.name and is_ok(folder):
                    key, job = folder.name, other
                    break
        found[key] = job
    return found


def read_gpu(folder: Path) -> str:
    """The GPU that a timing's folder says it was made on; empty where it does not."""
    conditions = (read_result(folder) or {}).get("conditions")
    return str(conditions.get("device_name") or "") if isinstance(conditions, dict) else ""


def runs_asked(run: RunConfig, request: SweepRequest) -> tuple[RunConfig, ...]:
    """A cell's run in each of the runtimes and precisions that a sweep asks for, whether this machine has them or not:
    its folder is read elsewhere, too."""
    return runs_of(run, request.runtimes, request.precisions, here=False)[0]


def runs_evaluated(cell: CellConfig, request: SweepRequest) -> tuple[RunConfig, ...]:
    """Those in which a cell's accuracy is another than in eager float32, to which float32 is checked to be equal."""
    runs = () if cell.is_elastic else runs_asked(cell.run, request)
    return tuple(run for run in runs if run.dtype != cell.run.dtype)


def _other_runs(run: RunConfig, request: SweepRequest) -> tuple[RunConfig, ...]:
    runs = runs_asked(run, request)
    return () if runs == (run,) else runs


def read_timings(store: SweepStore, cells: list[CellConfig], request: SweepRequest) -> dict[str, dict[str, Any]]:
    """Key of what is executed -> batch size (text) -> columns, of the groups that are measured already."""
    found: dict[str, dict[str, Any]] = {}
    merged = bool(read_origins(store))
    for key in timing_folders(store, cells, request):
        folder = store.timing_dir(key)
        if is_ok(folder):
            found |= timings_in(folder, machine_of(folder) if merged else None)
    return found


def measure(folder: Path, job: TimingJob, reporter: Reporter) -> dict[str, Any]:
    """Time all models of a job at each batch size. Returns result.json's content."""
    import torch

    from ..benchmark.instruments.allocator import keep_freed_memory
    from ..benchmark.instruments.device import use_device
    from ..benchmark.instruments.energy import energy_counter
    from ..benchmark.instruments.environment import conditions
    from ..benchmark.profiling.in_runtime import precision_text
    from ..benchmark.profiling.models import executed_row, row_memory, time_apart, time_models
    from ..benchmark.profiling.modules import memory_or_error
    from .work import build_model

    torch.set_num_threads(job.run.threads)
    keep_freed_memory()
    device = use_device(job.device, tf32=job.run.tf32)
    models = {model: build_model(model).eval() for model in job.models}
    counts = {
        (model, run): executed_row(made, run.runtime)
        for model, made in models.items()
        for run in job.every_run
        if find_runtime(run.runtime).form is not None
    }
    timings: dict[str, dict[str, Any]] = {timing_key(*one): {} for one in product(models, job.every_run)}
    for number, size in enumerate(job.batch_sizes):

        def progress(done: int, total: int, number: int = number, **info: object) -> None:
            stage = str(info.get("stage"))
            if stage in ("latency", "processes", "energy"):
                told = "energy" if stage == "energy" else "latency"
                reporter.progress(told)(number * total + done, len(job.batch_sizes) * total)

        if job.processes == 1:
            rows = time_models(
                models,
                size,
                job.every_run,
                device=device,
                threads=job.run.threads,
                counter=energy_counter(device) if job.energy else None,
                max_samples=job.samples,
                max_seconds=job.seconds,
                progress=progress,
            )
        else:
            how = ProfileConfig(
                job.run, samples=job.samples, seconds=job.seconds, processes=job.processes, energy=job.energy
            )
            rows = time_apart(job.models, job.every_run, how, size, progress=progress)
        told = reporter.progress("memory")
        for done, ((model, run), row) in enumerate(rows.items(), start=1):
            if job.runs:
                row |= {"dtype": run.dtype, "precision": precision_text(run, device)}
            if run != job.run and "error" not in row:  # in job.run the cells measure theirs
                row |= memory_or_error(partial(row_memory, model, models[model], size, run, device))
            timings[timing_key(model, run)][str(size)] = counts.get((model, run), {}) | row
            told(done, len(rows))
    where = conditions(job.device, job.run.dtype, job.run.threads, None)
    return {"timings": timings, "conditions": where}


if __name__ == "__main__":
    run_worker(measure, TimingJob)
