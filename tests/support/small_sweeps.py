"""Sweeps of the smallest model, for tests that look at cells and run none."""

from dataclasses import replace

from posebench.benchmark.profiling.config import RunConfig
from posebench.pose.models.config import ModelConfig
from posebench.pose.training.recipe import TrainingRecipe
from posebench.sweeps.cells import expand, reductions_of
from posebench.sweeps.config import CellConfig, EvalConfig, TrainConfig
from posebench.sweeps.request import SweepRequest

MODEL = ModelConfig(name="tmpose_tiny", input_size=(96, 72))
RUN = RunConfig(threads=1)
EVAL = EvalConfig(data="val")


def unmasked(mode="scratch", epochs=2, model=MODEL, **parts):
    """The unmasked cell of a model, as a plan makes it."""
    train = TrainConfig(mode, TrainingRecipe(epochs=epochs), data="train")
    return replace(CellConfig(model, train, RUN, EVAL), **parts)


def base(epochs=11, threads=2, model=MODEL):
    """The model that cells are fine-tuned from."""
    train = TrainConfig("scratch", TrainingRecipe(epochs=epochs), data="train")
    return CellConfig(model, train, replace(RUN, threads=threads))


def grid(request=SweepRequest(), models=None):  # noqa: B008 - frozen
    """(cells, base models by key) of (unmasked cell, base model) pairs; by default of one that is fine-tuned."""
    models = [(unmasked("finetune"), base())] if models is None else models
    reductions = {cell.model.name: reductions_of(request) for cell, _ in models}
    return expand(models, reductions, request.seeds, elastic=request.elastic)


def from_scratch(request, dataset="coco"):
    """The cells of a request that is trained from scratch, two epochs each."""
    return grid(request, [(unmasked(model=replace(MODEL, dataset=dataset)), None)])[0]
