"""What decides a result of a sweep, as records: a cell's configuration, and the keys that name its results."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

from ..benchmark.profiling.config import RunConfig
from ..pose.datasets import metric_of
from ..pose.metrics import Metric
from ..pose.models.config import ModelConfig
from ..pose.records import digest, to_plain
from ..pose.training.recipe import TrainingRecipe

#: of the keys; another one where the same configuration comes to other numbers than before
VERSION = 2
FINETUNE, SCRATCH, WEIGHTS = "finetune", "scratch", "weights"
#: of a sweep that only counts and measures: no training, no evaluation, no data
UNTRAINED = "none"


@dataclass(frozen=True)
class Start:
    """What a model's weights are before it is trained. base: key of a base model; the others: SHA-256 of a file."""

    base: str | None = None
    weights: str | None = None
    backbone_weights: str | None = None


@dataclass(frozen=True)
class TrainConfig:
    """mode: "finetune", "scratch", "weights" (given ones are evaluated: no recipe), or "none" (nor that). recipe: with
    the cell's seed and no loader processes, which change nothing but time. data: hash of the annotations that are
    trained on."""

    mode: str
    recipe: TrainingRecipe | None = None
    start: Start = Start()
    data: str | None = None

    @property
    def epochs(self) -> int:
        return self.recipe.epochs if self.recipe else 0


@dataclass(frozen=True)
class EvalConfig:
    """data: hash of the annotations that are judged by. boxes: "gt", or the hash of a detection file."""

    data: str
    boxes: str = "gt"
    flip_test: bool = True
    decode: str = "dark"
    batch_size: int = 32


@dataclass(frozen=True)
class Trained:
    """Whose model an elastic cell evaluates: the key of a cell, and the mask ratios that this was trained at."""

    cell: str
    ratios: tuple[float, ...]


@dataclass(frozen=True)
class CellConfig:
    """Everything that determines the result of a cell (one row of the results), and no path or time.

    model.seed is the seed of all: initialisation, data order, random masks. eval: None for a base model, which is only
    trained. trained: of a cell that evaluates the model of another one.
    """

    model: ModelConfig
    train: TrainConfig
    run: RunConfig
    eval: EvalConfig | None = None
    trained: Trained | None = None

    @cached_property
    def key(self) -> str:
        return digest({"version": VERSION} | to_plain(self))

    @cached_property
    def timing_key(self) -> str:
        """Digest of what is executed: all seeds of a model, mask and ratio share a latency, however trained."""
        return timing_key(self.executed, self.run)

    @property
    def executed(self) -> ModelConfig:
        """The model as the clock knows it."""
        return replace(self.model, seed=0)

    def of_seed(self, seed: int) -> CellConfig:
        """The same with another seed."""
        recipe = self.train.recipe and replace(self.train.recipe, seed=seed)
        return replace(self, model=replace(self.model, seed=seed), train=replace(self.train, recipe=recipe))

    @property
    def metric(self) -> Metric:
        """The score that stands for its data set."""
        return metric_of(None if self.model.described else self.model.dataset)

    @property
    def ratio(self) -> float:
        return self.model.mask_ratio

    @property
    def seed(self) -> int:
        return self.model.seed

    @property
    def trained_at(self) -> tuple[float, ...]:
        """The mask ratios of its training where that was not its own alone; several: one was drawn for each step."""
        return self.trained.ratios if self.trained else self.train.recipe.mask_ratios if self.train.recipe else ()

    @property
    def is_baseline(self) -> bool:
        return self.model.reduction.is_none

    @property
    def is_elastic(self) -> bool:
        """Whether the model was trained at another mask ratio than the one it is evaluated at, or at several."""
        return bool(self.trained_at)

    @property
    def trains(self) -> bool:
        return self.train.recipe is not None and self.trained is None

    @property
    def evaluates(self) -> bool:
        return self.eval is not None and self.train.mode != UNTRAINED

    @property
    def group(self) -> tuple[str, int, RunConfig]:
        """Model, seed and how they are run: cells of one group are compared with the group's unmasked cell. Sweeps that
        were merged may have one for each machine's number of threads."""
        return self.model.name, self.seed, self.run

    @property
    def label(self) -> str:
        """Unique among the cells of a sweep."""
        if self.eval is None:
            return f"{self.model.name} base model"
        mask = "unmasked" if self.is_baseline else f"{self.model.mask} {self.ratio:g}"
        trained = f" trained at {ratios_text(self.trained_at)}" if self.is_elastic else ""
        return f"{self.model.name} {mask}{trained} seed {self.seed}"


def run_name(run: RunConfig) -> str:
    """Of a file about a cell in another runtime or precision."""
    return re.sub(r"[^\w.]", "_", f"{run.runtime}_{run.dtype}")


def timing_key(model: ModelConfig, run: RunConfig) -> str:
    """Digest of all that decides how long a forward pass takes."""
    return digest([model, run])


@dataclass(frozen=True)
class Job:
    """What a worker is given: a configuration, paths, and settings that change no result.

    start: the weights that the model gets (of the cell that it evaluates, given ones, or its base model's); backbone:
    an HRNet's. device: cpu or cuda, of which the process sees the one that it was given. less_eval_batch: where
    memory did not suffice for the usual one. runs: other runtimes and precisions to evaluate in.
    """

    config: CellConfig
    data_root: str
    boxes: str
    device: str
    workers: int = 0
    batch_sizes: tuple[int, ...] = ()
    runs: tuple[RunConfig, ...] = ()
    start: str | None = None
    backbone: str | None = None
    less_eval_batch: int | None = None

    @property
    def eval_batch(self) -> int:
        """People per batch of the evaluation, which the scores do not depend on."""
        usual = self.config.eval.batch_size if self.config.eval else 0
        return self.less_eval_batch or usual


def ratios_text(ratios: tuple[float, ...]) -> str:
    """The shortest text that reads as the same numbers: "0,0.4"."""
    return ",".join(f"{ratio:g}" if float(f"{ratio:g}") == ratio else repr(ratio) for ratio in ratios)
