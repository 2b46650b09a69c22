"""The steps of a cell on real models and data: build, load, measure memory, train, evaluate, count."""

from __future__ import annotations

import time
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..benchmark.instruments.device import check_room, use_device
from ..benchmark.instruments.precision import Precision
from ..benchmark.instruments.shortage import release
from ..benchmark.profiling.config import RunConfig
from ..benchmark.profiling.models import example_images
from ..benchmark.profiling.modules import memory_columns, not_measured, placed_memory
from ..benchmark.profiling.running import Running
from ..pose.crops.dataset import PoseDataset
from ..pose.crops.person import DataSplit
from ..pose.errors import InputError, NumericalError, is_shortage
from ..pose.evaluation.evaluate import Evaluation, evaluate
from ..pose.files import atomic_path
from ..pose.models.config import ModelConfig
from ..pose.models.model import PoseModel
from ..pose.models.weights import load_backbone_weights, load_weights
from ..pose.models.zoo import create_model
from ..pose.training.loop import TrainingResult, train
from ..row import BY_NAME, STATUS_FAILED, Score, flat
from .child import Reporter
from .config import FINETUNE, WEIGHTS, CellConfig, Job, run_name
from .data import check_unchanged, load_split
from .request import SweepRequest
from .store import SweepStore, memory_file, run_file, write_json


def build_model(config: ModelConfig) -> PoseModel:
    """The model of a configuration, initialised from its seed."""
    torch.manual_seed(config.seed)
    return create_model(config)


def load_start(model: PoseModel, job: Job) -> None:
    """Load what a configuration starts from: the trained model that it evaluates, given weights, its base model, an
    HRNet's backbone, or nothing.
    """
    if job.start is not None:
        load_given(model, job.start, job.config, job.data_root)
    elif job.backbone is not None:
        load_backbone_weights(model, job.backbone)


def load_given(model: PoseModel, weights: str | Path, config: CellConfig, data_root: str | Path) -> None:
    """Load weights into the model of a cell. Modules of its reduction that they do not hold are left to training, or
    filled from the training people where the configuration says that they are (`gathers_from`)."""
    gathers = config.train.mode == WEIGHTS and config.train.data is not None
    load_weights(model, weights, fresh_scorer=gathers or (config.trains and config.train.mode == FINETUNE))
    if gathers:
        spec = model.spec
        split = load_split(data_root, "train", spec)
        check_unchanged(split, config.train.data)
        people = split.people
        sizes = spec.input_size, spec.heatmap_size, spec.sigma
        data = PoseDataset(people, spec.skeleton, *sizes, convention=spec.convention)
        for index in range(len(data)):
            model.transformer.mask.gather(data.target(index)[None])


def evaluated_model(store: SweepStore, request: SweepRequest, cell: CellConfig, data_root: str | Path) -> PoseModel:
    """The model that a finished cell evaluated, an elastic one apart. InputError where its weights or its data are
    gone."""
    given = request.weights_of(cell.model.name) if cell.train.mode == WEIGHTS else None
    weights = Path(given or store.cell_dir(cell.key) / "last.pt")
    if not weights.exists():
        raise InputError(f"{weights}: the weights of {cell.label} are gone, so that it cannot be run again")
    model = build_model(cell.model)
    load_given(model, weights, cell, data_root)
    return model.eval()


def measure_memory(model: PoseModel, job: Job, folder: Path, reporter: Reporter) -> None:
    """Peak memory of a forward pass at each batch size that is not measured yet, smallest first (the resident
    memory's peak only grows). Run it before anything else in a process.
    """
    missing = [size for size in sorted(job.batch_sizes) if not memory_file(folder, size).is_file()]
    progress = reporter.progress("memory")
    precision = float32_on(job.device, tf32=job.config.run.tf32)
    for number, size in enumerate(missing):
        try:
            check_room(size, 3 * prod(model.spec.input_size))
            batch = (example_images(model, size), torch.arange(size))
            found = memory_columns(placed_memory(model, batch, precision, job.config.run.threads))
        except (RuntimeError, MemoryError, InputError) as error:
            if not (isinstance(error, InputError) or is_shortage(error)):
                raise
            found = not_measured(error)  # of this batch size, and not of the cell
        if "error" in found:
            release()
        write_json(memory_file(folder, size), found)
        progress(number + 1, len(missing))


def float32_on(device: str, *, tf32: bool = False) -> Precision:
    """What a sweep measures in: float32 on its device."""
    return Precision(torch.float32, use_device(device, tf32=tf32))


def train_model(model: PoseModel, job: Job, folder: Path, reporter: Reporter) -> TrainingResult:
    """Train by the configuration's recipe in `folder`; goes on from the last checkpoint that a killed run left there.

    No evaluation on the way: the last model counts, so that nothing is chosen on the people it is judged by.
    """
    data = load_split(job.data_root, "train", model.spec)
    check_unchanged(data, job.config.train.data)
    recipe = replace(job.config.train.recipe, workers=job.workers)
    return train(
        model, data, None, recipe, folder, device=job.device, resume=True, progress=reporter.progress("training")
    )


def load_val(model: PoseModel, job: Job) -> DataSplit:
    """The people that a cell is judged by; InputError where they are others than when the sweep began."""
    data = load_split(job.data_root, "val", model.spec, job.boxes)
    check_unchanged(data, job.config.eval.data, job.config.eval.boxes)
    return data


def evaluate_model(
    model: PoseModel | Running,
    job: Job,
    folder: Path,
    reporter: Reporter,
    evidence: str = "evidence.npz",
    device: str | None = None,
) -> Evaluation:
    """Evaluate on the held-out people; leaves `evidence` for comparisons between cells."""
    how = job.config.eval
    found = evaluate(
        model,
        load_val(model, job),
        device=device or job.device,
        workers=job.workers,
        progress=reporter.progress("evaluation"),
        as_published=job.config.model.as_published,
        batch_size=job.eval_batch,
        flip_test=how.flip_test,
        decode=how.decode,
    )
    with atomic_path(folder / evidence) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **found.evidence)
    return found


def accuracy_columns(config: CellConfig, evaluation: Evaluation) -> dict[str, Any]:
    """Those of a row that an evaluation fills."""
    metric = config.metric.column
    score = Score(evaluation.metrics.get(metric), *evaluation.ci.get(metric, ()))
    return (
        {name: value for name, value in evaluation.metrics.items() if name in BY_NAME}
        | flat(metric, score)
        | {"eval_people": evaluation.num_people, "eval_seconds": evaluation.seconds}
    )


def missing_runs(job: Job, folder: Path) -> list[RunConfig]:
    return [run for run in job.runs if not run_file(folder, run).is_file()]


def evaluate_runs(model: PoseModel, job: Job, folder: Path, reporter: Reporter) -> None:
    """Evaluate a trained model in each other runtime and precision that it is not evaluated in yet. What cannot be is
    written down as such, and fails nothing else."""
    model = model.cpu().eval()
    for run in missing_runs(job, folder):
        try:
            running = Running(model, run, use_device(job.device, tf32=run.tf32), job.data_root)
            found = evaluate_model(running, job, folder, reporter, f"evidence_{run_name(run)}.npz", "cpu")
            columns = accuracy_columns(job.config, found) | running.columns() | running.drift(job.data_root)
        except (InputError, NumericalError) as error:
            columns = {"status": STATUS_FAILED, "error": str(error)}
        write_json(run_file(folder, run), columns)


class Stopwatch:
    """Seconds of each part of a cell's work: `with stopwatch("training"): ...`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str) -> Stopwatch:
        self._name = name
        return self

    def __enter__(self) -> None:
        self._start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds[self._name] = round(time.monotonic() - self._start, 3)
