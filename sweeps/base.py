"""The worker that trains a shared base model: the unmasked model that cells are fine-tuned from.

`python -m posebench.sweeps.base FOLDER`: FOLDER/config.json is its task. It goes on from its last checkpoint.
"""

from __future__ import annotations

from pathlib import Path

from .cell_result import CellResult
from .child import Reporter, run_worker
from .config import Job


def train_base(folder: Path, job: Job, reporter: Reporter) -> CellResult:
    """Train on the job's data; leaves last.pt."""
    import torch

    from ..benchmark.instruments.device import use_device
    from .work import build_model, load_start, train_model

    run = job.config.run
    torch.set_num_threads(run.threads)
    use_device(job.device, tf32=run.tf32, deterministic=run.deterministic)
    model = build_model(job.config.model)
    load_start(model, job)
    result = train_model(model, job, folder, reporter)
    return CellResult(training={"loss_final": result.history[-1]["loss"], "train_seconds": result.seconds})


if __name__ == "__main__":
    run_worker(train_base, Job)
