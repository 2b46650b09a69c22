"""What a sweep must know before it starts: its models' recipes and weights, its data, its cells and their keys."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..benchmark.device import check_device
from ..benchmark.interference import usable_cores
from ..pose.errors import InputError
from ..pose.models.as_trained import load_model, trained_in_words
from ..pose.models.weights import load_backbone_weights
from ..pose.models.weights_file import read_weights
from ..pose.models.zoo import create_model
from ..pose.training.recipe import TINY_FINETUNE, TINY_RECIPE, TrainingRecipe, paper_recipe
from .data import DataFacts
from .grid import Cell, ModelPlan, expand, masks_and_ratios
from .spec import SweepSpec

# Ours, for --finetune on the papers' models: a tenth of their schedule, from the learning rate of its second phase.
PAPER_FINETUNE = {"epochs": 30, "learning_rate": 1e-4, "milestones": (20, 26)}
NOT_IN_KEY = ("seed", "workers")  # the seed stands beside the recipe; loader processes change nothing but time


@dataclass(frozen=True)
class Plan:
    """A resolved sweep. bases: key -> configuration of the shared base models. weights: model -> file."""

    spec: SweepSpec
    data: DataFacts
    models: list[ModelPlan]
    cells: list[Cell]
    bases: dict[str, dict[str, Any]]
    weights: dict[str, str]


def make_plan(spec: SweepSpec, data: DataFacts) -> Plan:
    """Resolve recipes, weights and threads and expand the grid. InputError for a device that is not there, weights that
    cannot be read or do not fit, or a model that cannot be built for this data or masked by one of the ratios.
    """
    check_device(spec.device)
    for name in spec.models:
        _check_masks(spec, name, data)
    models = [_plan_model(spec, name, data) for name in spec.models]
    cells, bases = expand(spec, models, data.identity)
    return Plan(spec, data, models, cells, bases, dict(spec.weights))


def is_tiny(model: str) -> bool:
    """Whether a model is one of those made for the embedded set: trainable on a CPU within minutes."""
    return "tiny" in model


def _check_masks(spec: SweepSpec, name: str, data: DataFacts) -> None:
    """Make every masked model without its weights: what cannot be made is told before anything runs."""
    for mask, ratio in masks_and_ratios(spec):
        try:
            with torch.device("meta"):
                model = create_model(
                    name,
                    dataset=data.layout,
                    input_size=spec.input_size,
                    mask=mask,
                    mask_ratio=ratio,
                    as_published=spec.as_published,
                )
            if spec.elastic and mask != "none" and ratio == max(spec.ratios):
                model.set_mask_ratio(0.0)
        except InputError as error:
            raise InputError(f"--model {name} --mask {mask} --ratios {ratio:g}: {error}") from None


def _plan_model(spec: SweepSpec, name: str, data: DataFacts) -> ModelPlan:
    weights = spec.weights_of(name)
    size = {"input_size": spec.input_size} if spec.input_size else {}
    asked = {"name": name, "dataset": data.layout, "mask": "none", "as_published": spec.as_published, **size}
    model, trained = create_model(**asked), None
    if weights:  # a file that does not fit, or was trained as another model, is told before anything runs
        if not spec.as_published:
            asked |= {"positions": model.spec.positions, "position_type": model.spec.position_type}
        file = read_weights(weights)
        model, _ = load_model(file, **asked)
        trained = trained_in_words(file) if file.config is not None else f"{file.name} does not say how it was trained"
    if spec.backbone_weights:
        load_backbone_weights(model, spec.backbone_weights)
    training = spec.training or ("weights" if weights else "finetune" if is_tiny(name) else "scratch")
    if is_tiny(name):
        long, short = TINY_RECIPE, TINY_FINETUNE
    else:
        long = paper_recipe(data.layout)
        short = dataclasses.replace(long, **PAPER_FINETUNE)
    recipe = {"finetune": short, "scratch": long, "weights": None}[training]
    needs_base = training == "finetune" and weights is None
    return ModelPlan(
        name=name,
        input_size=tuple(model.spec.input_size),
        training=training,
        threads=spec.threads or default_threads(name, spec.device),
        base_threads=spec.threads or default_threads(None, spec.device),
        recipe=_recipe_dict(recipe, spec.epochs, spec.amp) if recipe else None,
        base_recipe=_recipe_dict(long, spec.base_epochs, spec.amp) if needs_base else None,
        weights=file_sha256(weights) if weights else None,
        backbone_weights=file_sha256(spec.backbone_weights) if spec.backbone_weights else None,
        weights_trained=trained,
        decode=model.spec.convention,
    )


def default_threads(model: str | None, device: str) -> int:
    """One thread per cell for a tiny model on the CPU, where cells run side by side; otherwise all cores, up to 8."""
    return 1 if model and is_tiny(model) and device == "cpu" else min(8, usable_cores())


def _recipe_dict(recipe: TrainingRecipe, epochs: int | None, amp: bool) -> dict[str, Any]:
    """Plain types for the key. Milestones move with the length, so that a short run has all phases, too."""
    if epochs is not None:
        moved = sorted({max(1, round(m * epochs / recipe.epochs)) for m in recipe.milestones} - {epochs})
        milestones = tuple(m for m in moved if m < epochs)
        recipe = dataclasses.replace(recipe, epochs=epochs, milestones=milestones)
    values = dataclasses.replace(recipe, amp=amp).to_dict()
    return {name: value for name, value in values.items() if name not in NOT_IN_KEY}


def recipe_of(config: dict[str, Any], workers: int = 0) -> TrainingRecipe:
    """The recipe of a cell's or base model's configuration."""
    return TrainingRecipe.from_dict(config["recipe"] | {"seed": config["seed"], "workers": workers})


def file_sha256(path: str | Path) -> str:
    """Hash of a file's content; InputError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give an existing file") from None
    return digest.hexdigest()


def folder_of(plan: Plan) -> Path:
    """Where the results go: the `out` that was given, or default_folder."""
    return Path(plan.spec.out) if plan.spec.out is not None else default_folder(plan)


def default_folder(plan: Plan) -> Path:
    """runs/<models>-<masks>-<8 hex of the grid>: the same command finds its folder again, another never does."""
    grid = hashlib.sha256(" ".join(sorted(cell.key for cell in plan.cells)).encode()).hexdigest()[:8]
    masks = list(dict.fromkeys(cell.config["mask"] for cell in plan.cells if not cell.is_baseline)) or ["unmasked"]
    return Path("runs", f"{_short(plan.spec.models)}-{_short(masks)}-{grid}")


def _short(names: list[str] | tuple[str, ...]) -> str:
    more = [f"and_{len(names) - 2}_more"] if len(names) > 2 else []
    return re.sub(r"[^\w+.]", "_", "+".join([*names[:2], *more]))
