"""How a model is trained, as data: every number that decides the result, and the recipes that ship."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from ..crops.augment import SYNTH_AUGMENTATION
from ..datasets import Augmentation, Dataset, find_dataset
from ..errors import InputError
from ..records import to_plain

OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("steps", "cosine")
LOSS_NAMES = ("mse", "sum_squares", "mse_hard_joints")
AMP_DTYPES = ("bfloat16", "float16")


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything but the model and the data. InputError for a value that cannot be trained with.

    learning_rate: the highest one; the schedule takes it down from there. "steps": times `gamma` at each of the epochs
    `milestones`; "cosine": down to zero over the whole run. Both rise linearly over the first `warmup_steps` steps.
    weight_decay: of convolution and linear weights only. clip_norm: the largest norm of the whole gradient.
    loss: a name in losses.py. scorer_weight: of the scorer mask's auxiliary loss, where the model has that mask.
    amp: mixed precision in `amp_dtype` (float16 needs CUDA). workers: loader processes; they change nothing but time.
    seed: of the data's order, the augmentation and the random masks.
    mask_ratios: where there are any, each step masks by one of them, drawn evenly, instead of by the model's own ratio,
    so that one model can be used at all of them.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "steps"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    warmup_steps: int = 0
    clip_norm: float | None = None
    loss: str = "mse"
    augment: Augmentation | None = None
    amp: bool = False
    amp_dtype: str = "bfloat16"
    workers: int = 0
    seed: int = 0
    scorer_weight: float = 0.1
    mask_ratios: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check(self, "epochs", self.epochs >= 1, "1 or more")
        _check(self, "batch_size", self.batch_size >= 1, "1 or more")
        _check(self, "learning_rate", 0 < self.learning_rate < math.inf, "a number above 0")
        _check(self, "weight_decay", 0 <= self.weight_decay < math.inf, "0 or more")
        _check(self, "gamma", 0 < self.gamma <= 1, "a factor above 0, at most 1")
        _check(self, "warmup_steps", self.warmup_steps >= 0, "0 or more")
        _check(self, "clip_norm", self.clip_norm is None or self.clip_norm > 0, "a number above 0, or none")
        _check(self, "workers", self.workers >= 0, "0 or more")
        _check(self, "seed", self.seed >= 0, "0 or more")
        _check(self, "scorer_weight", 0 <= self.scorer_weight < math.inf, "0 or more")
        ratios = all(isinstance(ratio, int | float) and 0 <= ratio < 1 for ratio in self.mask_ratios)
        _check(self, "mask_ratios", ratios, "numbers from 0 (keep all) to below 1")
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("loss", LOSS_NAMES),
            ("amp_dtype", AMP_DTYPES),
        ):
            _check(self, name, getattr(self, name) in known, f"one of {', '.join(known)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain types only (numbers, text, lists, dicts), as checkpoints hold it."""
        values: dict[str, Any] = to_plain(self)
        if not self.mask_ratios:  # the recipe of a run without them is the same as before there were any
            del values["mask_ratios"]
        return values


def _check(recipe: TrainingRecipe, name: str, ok: bool, expected: str) -> None:
    if not ok:
        raise InputError(f"training recipe: {name} is {getattr(recipe, name)!r}; give {expected}")


def paper_recipe(dataset: str | Dataset) -> TrainingRecipe:
    """The recipe of TokenPose and TMPose on a data set: Adam at 1e-3, 300 epochs, x0.1 at 200 and 260.

    The augmentation is the data set's own (HRNet's for COCO and MPII). Their configurations name a weight decay, which
    the HRNet code base does not hand to Adam; it is 0 here. The warm-up, a hundred steps of a million, is ours: at the
    full rate the first step of Adam can leave a large model with a higher loss than before.
    """
    augment = find_dataset(dataset).augment
    return TrainingRecipe(epochs=300, milestones=(200, 260), warmup_steps=100, augment=augment)


TINY_RECIPE = TrainingRecipe(
    epochs=11,
    batch_size=16,
    learning_rate=3e-3,
    optimizer="adamw",
    weight_decay=0.01,
    schedule="cosine",
    warmup_steps=200,
    clip_norm=5.0,
    loss="sum_squares",
    augment=SYNTH_AUGMENTATION,
)
TINY_FINETUNE = dataclasses.replace(TINY_RECIPE, epochs=1, learning_rate=1e-3, warmup_steps=40)
