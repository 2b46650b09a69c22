"""Where the time of a training step goes: reading, augmenting and cropping, the passes, the optimiser, the rest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch

from ...pose.crops.images import read_image
from ...pose.crops.loading import collate
from ...pose.crops.person import DataSplit
from ...pose.models.model import PoseModel
from ...pose.training.accuracy import heatmap_accuracy
from ...pose.training.batches import ahead
from ...pose.training.meter import Meter
from ...pose.training.recipe import TrainingRecipe
from ...pose.training.trainer import Trainer

#: in the order of a step; the first three are a batch, which training makes beside the step before
STAGES = ("read", "augment and crop", "collate", "to device", "forward", "backward", "optimizer", "bookkeeping")
WARM_UP = 3  # steps


def profile_training(
    model: PoseModel,
    data: DataSplit,
    recipe: TrainingRecipe,
    *,
    device: str | torch.device = "cpu",
    steps: int = 100,
    seconds: float = 20.0,
    progress: Callable[..., None] | None = None,
) -> list[dict[str, Any]]:
    """One row per stage of a training step, and one for the whole, of `model` (it is trained on the way).

    `steps` steps or as many as go into `seconds`, one stage after the other: ms (the median) and share (of their sum).
    The row "step" has the sum, and crops_per_s of half as many steps as training runs them, batches made beside them.
    Raises what training does on such data.
    """
    trainer = Trainer(model, data, replace(recipe, workers=0), torch.device(device))
    clock = _Clock(trainer.device)
    model.train()
    with trainer.layers():
        orders = islice(cycle(trainer.batches.orders(0)), WARM_UP + steps)
        trainer.stage, ends = clock, time.monotonic() + seconds
        for done, order in enumerate(orders):
            clock.step()
            _one_step(trainer, order, clock)
            if progress is not None:
                progress(done + 1, WARM_UP + steps)
            if done >= WARM_UP and time.monotonic() > ends:
                break
        del trainer.stage
        found = clock.steps[min(WARM_UP, len(clock.steps) - 1) :]
        speed = _speed(trainer, max(2, len(found) // 2))
    ms = {name: 1e3 * float(np.median([step[name] for step in found])) for name in STAGES}
    total = sum(ms.values())
    rows = [{"stage": name, "ms": value, "share": value / total} for name, value in ms.items()]
    return [*rows, {"stage": "step", "ms": total, "share": 1.0, "crops_per_s": speed}]


class _Clock:
    """Seconds of each stage in each step, the device's work included."""

    def __init__(self, device: torch.device) -> None:
        self.steps: list[dict[str, float]] = []
        self._device = device

    def step(self) -> None:
        self.steps.append(dict.fromkeys(STAGES, 0.0))

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.steps[-1][name] += time.perf_counter() - started


def _one_step(trainer: Trainer, order: list[int], clock: _Clock) -> None:
    dataset, now = trainer.batches.dataset, clock.steps[-1]
    with clock("read"):
        for index in order:
            read_image(dataset.people[index].image_path)
    with clock("augment and crop"):
        samples = [dataset[index] for index in order]
    now["augment and crop"] = max(0.0, now["augment and crop"] - now["read"])  # a sample reads its image
    with clock("collate"):
        batch = collate(samples)
    loss, output, target = trainer.step(batch, trainer.recipe.learning_rate / 100)
    with clock("bookkeeping"):
        meter = Meter(1, "")
        meter.add(1, 0.0, len(order), loss, *heatmap_accuracy(output, target))
        meter.look()


def _speed(trainer: Trainer, steps: int) -> float:
    """Crops per second of training as it runs."""
    crops, started = 0, time.perf_counter()
    made = (collate([trainer.batches.dataset[i] for i in order]) for order in trainer.batches.orders(1))
    for batch in islice(ahead(made), steps):
        loss, output, target = trainer.step(batch, trainer.recipe.learning_rate / 100)
        heatmap_accuracy(output, target)
        crops += len(batch["index"])
    loss.item()
    return crops / (time.perf_counter() - started)
