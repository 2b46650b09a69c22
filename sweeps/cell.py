"""The worker that runs one cell from end to end.

`python -m posebench.sweeps.cell FOLDER`: FOLDER/config.json is its task. What is there already is not done again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .cell_result import CellResult
from .child import Reporter, run_worker
from .config import CellConfig, Job
from .store import is_ok


def run_cell(folder: Path, job: Job, reporter: Reporter) -> CellResult | None:
    """Memory first, while the process is fresh; then train or load, count, evaluate. None when the result exists, and
    memory or another runtime or precision is all that was missing. An elastic cell has no memory of its own.
    """
    import torch

    from ..benchmark.counting.flops import flops_row
    from ..benchmark.instruments.device import use_device
    from ..benchmark.instruments.environment import conditions
    from ..pose.models.weights import load_weights
    from .image_cost import count_images, is_adaptive
    from .tokens import chooses, write_choices
    from .work import (
        Stopwatch,
        accuracy_columns,
        build_model,
        evaluate_model,
        evaluate_runs,
        load_start,
        load_val,
        measure_memory,
        missing_runs,
        train_model,
    )

    config = job.config
    torch.set_num_threads(config.run.threads)
    use_device(job.device, tf32=config.run.tf32, deterministic=config.run.deterministic)
    stopwatch = Stopwatch()
    model = build_model(config.model)
    if not config.is_elastic:
        with stopwatch("memory"):
            measure_memory(model, job, folder, reporter)
    if is_ok(folder):
        if missing_runs(job, folder):
            if config.trains:
                load_weights(model, folder / "last.pt")
            else:
                load_start(model, job)
            evaluate_runs(model, job, folder, reporter)
        return None
    load_start(model, job)
    training = {}
    if config.trains:
        with stopwatch("training"):
            trained = train_model(model, job, folder, reporter)
        if not config.is_elastic:
            training = {"loss_final": trained.history[-1]["loss"], "train_seconds": trained.seconds}
    accuracy = {}
    if config.evaluates:
        with stopwatch("evaluation"):
            accuracy = accuracy_columns(config, evaluate_model(model, job, folder, reporter))
            accuracy["eval_batch"] = job.eval_batch
    if job.runs:
        with stopwatch("other runtimes"):
            evaluate_runs(model, job, folder, reporter)
    if chooses(config):
        with stopwatch("tokens"):
            how = {"device": job.device, "batch_size": job.eval_batch}
            write_choices(folder, model, load_val(model, job), **how)
            if is_adaptive(config):
                count_images(folder, config, job.batch_sizes)
    with stopwatch("counting"):
        counts = flops_row(model.cpu())
        if config.is_elastic and not config.ratio:
            counts["mask"] = _mask_in_training(config)
    return CellResult(
        counts=counts,
        accuracy=accuracy,
        training=training,
        conditions=conditions(job.device, config.run.dtype, config.run.threads, None),
        seconds=stopwatch.seconds,
    )


def _mask_in_training(config: CellConfig) -> str:
    """What the model's mask is called, also where the ratio 0 leaves it none."""
    from ..benchmark.counting.flops import untrained_model

    reduction = replace(config.model.reduction, ratio=max(config.trained_at))
    return untrained_model(replace(config.model, reduction=reduction)).spec.mask


if __name__ == "__main__":
    run_worker(run_cell, Job)
