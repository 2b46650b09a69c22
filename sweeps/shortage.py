"""When memory does not suffice: what a second try may do with less, without another result."""

from __future__ import annotations

from dataclasses import replace

from .config import Job


def with_less_memory(job: Job, stage: str) -> Job | None:
    """The job with half the evaluation batch and half the loader processes; None where nothing is left to halve.

    A batch of training stays: another one would be another result. So does one at which memory is what is measured.
    """
    workers = job.workers // 2
    if stage == "training" and workers < job.workers:
        return replace(job, workers=workers)
    if stage == "evaluation" and job.eval_batch > 1:
        return replace(job, workers=workers, less_eval_batch=job.eval_batch // 2)
    return None
