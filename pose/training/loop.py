"""The training loop: a model, a recipe and a data folder in; checkpoints and a log out."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import __version__
from ..crops.person import DataSplit
from ..errors import InputError
from ..evaluation.evaluate import evaluate
from ..ranks import ALONE, Ranks
from .checkpoint import save_checkpoint
from .recipe import TrainingRecipe
from .run_folder import BEST, LAST, describe_data, holds_epoch, locked, open_run, write_log, write_world_size
from .trainer import Clock, Progress, Trainer


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    loss_first, loss_last: the recipe's loss on one fixed, unaugmented batch of the training people before the first
    step and after the last. resumed_at: epochs that were done before, 0 for a new run. seconds: of all epochs, those
    before a resume included, evaluations too. last: the newest checkpoint; best: that of the best validation AP (MPII:
    PCKh), None if never evaluated. history: the log's rows.
    """

    loss_first: float
    loss_last: float
    resumed_at: int
    seconds: float
    last: Path
    best: Path | None
    history: list[dict[str, Any]]


def train(
    model: nn.Module,
    train_data: DataSplit,
    val_data: DataSplit | None,
    recipe: TrainingRecipe,
    out_dir: str | Path,
    *,
    device: str | torch.device = "cpu",
    resume: bool = False,
    progress: Progress | None = None,
    evaluate_every: int = 1,
    ranks: Ranks = ALONE,
    sync_batch_norm: bool = True,
) -> TrainingResult:
    """Train `model` (as create_model makes it) in place and leave last.pt, best.pt and log.csv in `out_dir`.

    A checkpoint is written after every epoch. Order, augmentation and random masks of an epoch depend on the recipe's
    seed and the epoch alone, so that a run that was killed and resumed equals an uninterrupted one: to the last bit
    on a CPU with the same number of threads. With `val_data` the model is evaluated every `evaluate_every` epochs and
    after the last. `progress(steps done, steps in all, epoch=, epochs=, loss=, accuracy=, learning_rate=,
    images_per_second=, seconds_left=)` is called about twice a second; loss and accuracy are the epoch's so far.

    Several `ranks` share each batch, whose loss and gradients are those of one process; without `sync_batch_norm` each
    has the batch norm of its own part. The first alone touches the folder. A run may go on on another number of ranks.

    Raises InputError for data that does not fit the model, a broken image, or a folder that holds another run or
    is in use; NumericalError when the loss or a weight is not finite any more (the last good checkpoint stays).
    """
    out_dir = Path(out_dir)
    if evaluate_every < 1:
        raise InputError(f"evaluate_every is {evaluate_every}; give a number of epochs, 1 or more")
    trainer = Trainer(model, train_data, recipe, torch.device(device), ranks, sync_batch_norm=sync_batch_norm)
    identity = {
        "config": model.spec.create_arguments(),
        "recipe": recipe.to_dict(),
        "data": describe_data(train_data),
    }
    metric = train_data.dataset.metric.column
    cuda = [trainer.device.index or 0] if trainer.device.type == "cuda" else []
    with contextlib.ExitStack() as held:
        if ranks.first:
            held.enter_context(locked(out_dir))
        saved = ranks.told_by_first(lambda: open_run(out_dir, identity, resume=resume))
        held.enter_context(torch.random.fork_rng(devices=cuda))  # the caller's random numbers are left as they were
        if saved is None:
            history, loss_first = [], trainer.probe()
        else:
            history, loss_first = saved["history"], saved["loss_first"]
            trainer.restore(saved, out_dir / LAST)
            if ranks.first and _is_best(history, metric) and not holds_epoch(out_dir / BEST, len(history)):
                # of a run that was killed between its two checkpoints
                save_checkpoint(out_dir / BEST, {k: v for k, v in saved.items() if k not in trainer.RESUMES})
        clock = Clock(trainer.steps_per_epoch * len(history), trainer.steps_per_epoch * recipe.epochs)
        begun_at = len(history)
        if ranks.first and begun_at < recipe.epochs:
            write_world_size(out_dir, ranks.size)
        for epoch in range(begun_at, recipe.epochs):
            started = time.monotonic()
            row = trainer.train_epoch(epoch, progress, clock, _last_good(out_dir, epoch))
            if val_data is not None and ((epoch + 1) % evaluate_every == 0 or epoch + 1 == recipe.epochs):
                evaluation = evaluate(model, val_data, device=device, workers=recipe.workers, resamples=0, ranks=ranks)
                row |= {f"val_{name}": float(value) for name, value in evaluation.metrics.items()}
            row["seconds"] = round(time.monotonic() - started, 3)
            history.append(row)
            if ranks.first:
                contents = identity | {"epoch": epoch + 1, "history": history, "loss_first": loss_first}
                contents |= {"world_size": ranks.size, "made_with": _made_with(device)}
                save_checkpoint(out_dir / LAST, contents | trainer.state())  # first: a run resumes from it alone
                if _is_best(history, metric):
                    save_checkpoint(out_dir / BEST, contents | {"model": model.state_dict()})
                write_log(out_dir, history)
        if ranks.first:
            write_log(out_dir, history)  # a run killed between its checkpoint and its log resumes to here
        loss_last = trainer.probe()
    model.eval()
    best = out_dir / BEST
    return TrainingResult(
        loss_first=loss_first,
        loss_last=loss_last,
        resumed_at=begun_at,
        seconds=sum(row["seconds"] for row in history),
        last=out_dir / LAST,
        best=best if best.exists() else None,
        history=history,
    )


def _made_with(device: torch.device | str) -> dict[str, Any]:
    """For the record: what decides a training's last bits beside its recipe."""
    return {
        "posebench": __version__,
        "torch": str(torch.__version__),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _is_best(history: list[dict[str, Any]], metric: str) -> bool:
    scores = [row.get(f"val_{metric}", -math.inf) for row in history]
    return scores[-1] > max(scores[:-1], default=-math.inf)


def _last_good(out_dir: Path, epochs_done: int) -> str:
    if not epochs_done:
        return "no checkpoint was written yet"
    return f"{out_dir / LAST} holds the model after epoch {epochs_done}"
