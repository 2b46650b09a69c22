"""Whether training waits for its loader or for its device, and how many loader processes are enough."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ...pose.crops.person import DataSplit
from ...pose.training.batches import EpochBatches
from ...pose.training.recipe import TrainingRecipe
from ...pose.training.trainer import Trainer, pose_dataset

WARM_UP = 2  # batches of each loader process, and steps, that are not counted
STEP_RATE = 1e-9  # a learning rate at which the measured steps do no harm


@dataclass(frozen=True)
class LoadingRates:
    """Images per second: `loader` by the number of loader processes (0: the training process itself loads), each
    alone, and `device` of training steps whose batch lies ready."""

    loader: dict[int, float]
    device: float

    @property
    def enough(self) -> int | None:
        """The fewest loader processes that keep the device busy; None if none of those measured do.

        Without any, loading and stepping take turns, so that the device always waits.
        """
        fast = [workers for workers, rate in self.loader.items() if workers > 0 and rate >= self.device]
        return min(fast, default=None)

    def trained(self, workers: int) -> float:
        """Images per second of training to be expected with so many: the slower of the two, by turns without any."""
        loader = self.loader[workers]
        return 1 / (1 / loader + 1 / self.device) if workers == 0 else min(loader, self.device)

    @property
    def sentence(self) -> str:
        """What limits training, and what to do."""
        if self.enough is not None:
            processes = "1 loader process is" if self.enough == 1 else f"{self.enough} loader processes are"
            return (
                f"The device is the bottleneck ({self.device:.0f} images/s): {processes} enough "
                f"({self.loader[self.enough]:.0f} images/s)."
            )
        best = max(self.loader, key=self.trained)
        return (
            f"The loader is the bottleneck: at best {self.trained(best):.0f} images/s with {best} loader "
            f"process{'' if best == 1 else 'es'}, where the device takes {self.device:.0f}; more cores, or "
            "`posebench data pack`."
        )


def measure_loading(
    model: nn.Module,
    data: DataSplit,
    recipe: TrainingRecipe,
    device: torch.device,
    *,
    workers: list[int],
    seconds: float,
    progress: Callable[..., None] | None = None,
) -> LoadingRates:
    """Measure for about `seconds` each: the loader at every number of `workers` with the device idle, then the steps
    of `model` on `device` with one batch over and over. Trains nothing to speak of. InputError as training raises."""
    samples = pose_dataset(model, data, recipe.augment, recipe.seed)
    rates = {}
    for number, count in enumerate(workers):
        batches = EpochBatches(samples, batch_size=recipe.batch_size, seed=recipe.seed, workers=count)
        rates[count] = _rate(_endless(batches), WARM_UP * max(count, 1), seconds)
        if progress:
            progress(number + 1, len(workers) + 1, stage=f"{count} loader processes")
    trainer = Trainer(model, data, replace(recipe, workers=0), device)
    trainer.model.train()
    batch = next(trainer.batches.epoch(0))
    step = _rate(_steps(trainer, batch), WARM_UP, seconds)
    if progress:
        progress(len(workers) + 1, len(workers) + 1, stage="training steps")
    return LoadingRates(rates, step)


def _endless(batches: EpochBatches) -> Iterator[int]:
    for epoch in itertools.count():
        for batch in batches.epoch(epoch):
            yield len(batch["image"])


def _steps(trainer: Trainer, batch: dict[str, Any]) -> Iterator[int]:
    while True:
        trainer.step(batch, STEP_RATE)
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)
        yield len(batch["image"])


def _rate(images: Iterator[int], warm_up: int, seconds: float) -> float:
    """Images per second of an iterator of how many came, the first `warm_up` times not counted."""
    for _ in range(warm_up):
        next(images)
    begun, done = time.perf_counter(), 0
    for count in images:
        done += count
        elapsed = time.perf_counter() - begun
        if elapsed >= seconds:
            break
    return done / elapsed
