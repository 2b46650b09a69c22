"""A model in training with all that its steps need: one step, one epoch, and what a checkpoint keeps of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import default_collate

from ..crops.augment import Augmentation
from ..crops.dataset import PoseDataset
from ..crops.person import DataSplit
from ..errors import InputError
from ..models.weights_file import check_plain
from ..ranks import ALONE, Ranks, Share
from .accuracy import heatmap_accuracy
from .batch_norm import synchronised
from .batches import EpochBatches
from .meter import Meter
from .optimizer import make_optimizer
from .ratios import StepRatios
from .recipe import TrainingRecipe
from .schedule import learning_rate
from .step import TrainingStep, over_ranks

Progress = Callable[..., None]


class Trainer:
    """A model in training with what its steps need: data, optimiser, gradient scaler.

    Of several `ranks` each takes its share of every batch; sync_batch_norm: batch norms see the whole batch. A profile
    puts a clock at `stage`: stage(name) is entered for each part of a step.
    """

    stage: Callable[[str], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    #: of `state`, what a run needs to go on and nobody else
    RESUMES = ("optimizer", "scaler")

    def __init__(
        self,
        model: nn.Module,
        data: DataSplit,
        recipe: TrainingRecipe,
        device: torch.device,
        ranks: Ranks = ALONE,
        *,
        sync_batch_norm: bool = True,
    ) -> None:
        if recipe.amp and recipe.amp_dtype == "float16" and device.type != "cuda":
            raise InputError(f"float16 training needs a CUDA device, not {device}; use bfloat16")
        self.recipe, self.device, self.ranks, self.sync_batch_norm = recipe, device, ranks, sync_batch_norm
        self.model = model.to(device)
        self.batches = EpochBatches(
            pose_dataset(model, data, recipe.augment, recipe.seed),
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            workers=recipe.workers,
            pin_memory=device.type == "cuda",
            ranks=ranks,
        )
        self.plain = pose_dataset(model, data, None, recipe.seed)
        self.ratios = StepRatios(model, recipe)
        self.steps_per_epoch = len(self.batches)
        self.training_step = TrainingStep(model, recipe, device)
        self.wrapped_step = over_ranks(self.training_step, ranks)
        self.optimizer = make_optimizer(model, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.amp and recipe.amp_dtype == "float16")

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, saved: dict[str, Any], path: Path) -> None:
        """Go on from a checkpoint's state; InputError naming `path` where it is damaged or of another model."""
        try:
            check_plain(str(path), saved["model"])
            ours = self.model.state_dict()
            for name in ours.keys() & saved["model"].keys():
                if saved["model"][name].dtype != ours[name].dtype:
                    raise ValueError(f"{name} is {saved['model'][name].dtype}, not {ours[name].dtype}")
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.scaler.load_state_dict(saved["scaler"])
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: does not fit this model ({reason[:200]})") from error

    def train_epoch(self, epoch: int, progress: Progress | None, clock: Clock, last_good: str) -> dict[str, Any]:
        """One pass over the data (0-based epoch). Returns the log's row, still without seconds and metrics."""
        torch.manual_seed(epoch_seed(self.recipe.seed, epoch))  # of the random masks
        self.model.train()
        with self.ratios.restored(), self.layers():
            row = self._steps(epoch, progress, clock, last_good)
        if not self.sync_batch_norm:
            self.ranks.copy_buffers(self.model)
        return row

    def layers(self) -> contextlib.AbstractContextManager[None]:
        """The model's layers as they are in training."""
        return synchronised(self.model, self.ranks) if self.sync_batch_norm else contextlib.nullcontext()

    def _steps(self, epoch: int, progress: Progress | None, clock: Clock, last_good: str) -> dict[str, Any]:
        recipe = self.recipe
        meter = Meter(epoch + 1, last_good, self.ranks)
        step = epoch * self.steps_per_epoch
        for batch, share in zip(self.batches.epoch(epoch), self.batches.shares, strict=True):
            rate = learning_rate(recipe, step, self.steps_per_epoch)
            self.ratios.draw(epoch, step)
            loss, output, target = self.step(batch, rate, share)
            step += 1
            meter.add(step, rate, share.total, loss, *heatmap_accuracy(output, target))
            clock.count(share.total)
            if meter.due() or step == (epoch + 1) * self.steps_per_epoch:
                meter.look()
                if progress is not None:
                    progress(
                        step,
                        clock.steps_total,
                        epoch=epoch + 1,
                        epochs=recipe.epochs,
                        loss=meter.loss,
                        accuracy=meter.accuracy,
                        learning_rate=rate,
                        images_per_second=clock.images_per_second(),
                        seconds_left=clock.seconds_left(step),
                    )
        broken = _first_not_finite(self.model)
        if broken:  # the last step's gradient can do that after a finite loss
            raise meter.not_finite(f"{broken} became NaN or infinite", step, rate)
        return {
            "epoch": epoch + 1,
            "step": step,
            "learning_rate": rate,
            "loss": meter.loss,
            "accuracy": meter.accuracy,
        }

    def step(
        self, batch: dict[str, Any], rate: float, share: Share | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One optimiser step at learning rate `rate`. Returns (loss, heatmaps, target), on the device, detached."""
        loss, output, target, losses = self.forward(batch, share, self.wrapped_step)
        with self.stage("backward"):
            self.optimizer.zero_grad(set_to_none=True)
            objective = loss + self.recipe.scorer_weight * sum(losses)
            if self.ranks.size > 1:  # the ranks' gradients are averaged, their losses add up
                objective = objective * self.ranks.size
            self.scaler.scale(objective).backward()
        with self.stage("optimizer"):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            if self.recipe.clip_norm is not None:
                self.scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return loss.detach(), output.detach(), target

    def forward(
        self, batch: dict[str, Any], share: Share | None = None, step: nn.Module | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """(heatmap loss, heatmaps, target, losses of the model's reductions) of a batch or this rank's share of it."""
        with self.stage("to device"):
            images, target, weight = (
                batch[key][: None if share is None else len(share)].to(self.device, non_blocking=True)
                for key in ("image", "target", "target_weight")
            )
        with self.stage("forward"):
            loss, output, losses = (step or self.training_step)(images, target, weight, share)
        return loss, output, target, losses

    @torch.no_grad()
    def probe(self) -> float:
        """Loss on one fixed batch without augmentation, as in training but leaving the model as it was."""
        count = min(len(self.plain), self.recipe.batch_size)
        chosen = np.linspace(0, len(self.plain) - 1, count).astype(int)
        share = self.ranks.share(count)
        own = chosen[share.start : share.stop]
        batch = default_collate([self.plain[int(index)] for index in (own if len(own) else chosen[:1])])
        # batch statistics, not running ones: those of an untrained model say nothing yet
        buffers = {name: value.clone() for name, value in self.model.named_buffers()}
        torch.manual_seed(self.recipe.seed)
        self.model.train()
        with self.layers():
            loss = self.ranks.sum(self.forward(batch, share)[0]).item()
        for name, value in self.model.named_buffers():
            value.copy_(buffers[name])
        return loss


class Clock:
    """How fast this session goes, for the estimate of what is left."""

    def __init__(self, steps_done: int, steps_total: int) -> None:
        self.steps_total = steps_total
        self._steps_before = steps_done
        self._images = 0
        self._started = time.monotonic()

    def count(self, images: int) -> None:
        self._images += images

    def images_per_second(self) -> float:
        return self._images / max(time.monotonic() - self._started, 1e-9)

    def seconds_left(self, step: int) -> float:
        elapsed = time.monotonic() - self._started
        return elapsed / max(step - self._steps_before, 1) * (self.steps_total - step)


def pose_dataset(model: nn.Module, data: DataSplit, augment: Augmentation | None, seed: int) -> PoseDataset:
    """The people of `data` as samples of the size that `model` takes; InputError where the two do not fit."""
    spec, skeleton = model.spec, data.dataset.skeleton
    if skeleton.num_keypoints != spec.num_keypoints:
        raise InputError(
            f"{data.root}: {data.layout} data has {skeleton.num_keypoints} keypoints, "
            f"but the model {spec.name} was made for {spec.num_keypoints}"
        )
    if not data.people:
        raise InputError(f"{data.annotation_file}: no people to train on")
    if any(person.keypoints is None for person in data.people):
        raise InputError(f"{data.boxes}: people without keypoints cannot be trained on; train on ground-truth boxes")
    return PoseDataset(
        data.people,
        skeleton,
        spec.input_size,
        spec.heatmap_size,
        spec.sigma,
        augment=augment,
        convention=spec.convention,
        seed=seed,
    )


def epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]) >> 1


def _first_not_finite(model: nn.Module) -> str | None:
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            return name
    return None
