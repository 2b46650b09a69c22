"""The mask ratio of each training step, where a recipe draws it: one model that can be run at several ratios."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
from torch import nn

from ..errors import InputError
from .recipe import TrainingRecipe

SPAWN = 1  # keeps these draws apart from any others of the same seed, epoch and step


def step_ratio(recipe: TrainingRecipe, epoch: int, step: int) -> float:
    """The ratio of one step (epoch and step from 0), each of the recipe's with the same probability.

    It depends on nothing else, so that a resumed run draws what an uninterrupted one does.
    """
    seeds = np.random.SeedSequence([recipe.seed, epoch, step], spawn_key=(SPAWN,))
    return recipe.mask_ratios[np.random.default_rng(seeds).integers(len(recipe.mask_ratios))]


class StepRatios:
    """Sets a model's mask ratio for each step; does nothing where the recipe draws none.

    Raises InputError for a model whose ratio cannot change, or cannot be one of the recipe's.
    """

    def __init__(self, model: nn.Module, recipe: TrainingRecipe) -> None:
        self.model, self.recipe = model, recipe
        with self.restored():
            for ratio in dict.fromkeys(recipe.mask_ratios):
                self._set(ratio)

    def draw(self, epoch: int, step: int) -> None:
        """Mask by this step's ratio from now on."""
        if self.recipe.mask_ratios:
            self.model.set_mask_ratio(step_ratio(self.recipe, epoch, step))

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Whatever is drawn inside, afterwards the model has the ratio that it had before."""
        mask = getattr(self.model.transformer, "mask", None) if self.recipe.mask_ratios else None
        before = None if mask is None else mask.ratio
        try:
            yield
        finally:
            if mask is not None:
                mask.set_ratio(before)

    def _set(self, ratio: float) -> None:
        try:
            self.model.set_mask_ratio(ratio)
        except InputError as error:
            ratios = ",".join(f"{value:g}" for value in self.recipe.mask_ratios)
            raise InputError(
                f"mask ratios {ratios} to train with: {error}; give a mask and ratios that the model can change between"
            ) from None
