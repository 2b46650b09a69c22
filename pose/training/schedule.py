"""The learning rate of a step, as a pure function: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from .recipe import TrainingRecipe


def learning_rate(recipe: TrainingRecipe, step: int, steps_per_epoch: int) -> float:
    """Learning rate of optimiser step `step` (0-based, over the whole run).

    Warm-up: (step + 1) / warmup_steps of the learning rate; a run shorter than that is all warm-up. "steps": times
    gamma for each milestone (0-based epoch) reached. "cosine": times 0.5 (1 + cos(pi t)), t from 0 after the warm-up to
    1 just behind the last step (Loshchilov and Hutter, SGDR, 2017).
    """
    total, warmup = recipe.epochs * steps_per_epoch, recipe.warmup_steps
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    if recipe.schedule == "steps":
        reached = sum(step // steps_per_epoch >= milestone for milestone in recipe.milestones)
        return recipe.learning_rate * recipe.gamma**reached
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
