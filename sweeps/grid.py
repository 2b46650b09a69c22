"""From a specification to cells: every combination, the unmasked baselines, and the key that names a result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .spec import SweepSpec

CONFIG_VERSION = 1
BASE_SEED = 0
EVALUATION = {"decode": "dark", "oks_nms": 0.9, "batch_size": 32}


@dataclass(frozen=True)
class DataIdentity:
    """What of a data folder decides results. fingerprint: hash of the annotations; boxes: "gt" or the file's hash."""

    layout: str
    fingerprint: str
    boxes: str = "gt"


@dataclass(frozen=True)
class ModelPlan:
    """How a sweep treats one model: resolved by sweeps/plan.py from the specification, the zoo and the recipes.

    training: "finetune", "scratch" or "weights". threads: of a cell; they decide the last digits. recipe and
    base_recipe: TrainingRecipe as plain types, without seed.
    weights, backbone_weights: sha256 of the given files, if any.
    """

    name: str
    input_size: tuple[int, int]
    training: str
    threads: int
    base_threads: int
    recipe: dict[str, Any] | None = None
    base_recipe: dict[str, Any] | None = None
    weights: str | None = None
    backbone_weights: str | None = None


@dataclass(frozen=True)
class Cell:
    """One configuration, in plain types: everything that determines its result, and no path or time."""

    config: dict[str, Any]

    @cached_property
    def key(self) -> str:
        return config_key(self.config)

    @property
    def is_baseline(self) -> bool:
        return self.config["mask"] == "none"

    @property
    def group(self) -> tuple[str, int]:
        """Model and seed: cells of one group are compared with the group's unmasked cell."""
        return self.config["model"], self.config["seed"]

    @property
    def label(self) -> str:
        c = self.config
        mask = "unmasked" if self.is_baseline else f"{c['mask']} {c['mask_ratio']:g}"
        return f"{c['model']} {mask} seed {c['seed']}"


def config_key(config: dict[str, Any]) -> str:
    """First 16 hex digits of the SHA-256 of the configuration's canonical JSON."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def expand(
    spec: SweepSpec, models: list[ModelPlan], data: DataIdentity
) -> tuple[list[Cell], dict[str, dict[str, Any]]]:
    """The cells in the order in which they run, and the base models that they start from: key -> configuration.

    Ratio 0 of any mask, and the mask "none" at any ratio, is the unmasked baseline, which is always in, once per
    model and seed.
    """
    cells: dict[str, Cell] = {}
    bases: dict[str, dict[str, Any]] = {}
    for model in models:
        base = None
        if model.training == "finetune" and model.weights is None:
            base_config = _base_config(spec, model, data)
            base = config_key(base_config)
            bases[base] = base_config
        for seed in spec.seeds:
            for mask, ratio in masks_and_ratios(spec):
                cell = Cell(_cell_config(spec, model, data, mask, ratio, seed, base))
                cells[cell.key] = cell
    return list(cells.values()), bases


def masks_and_ratios(spec: SweepSpec) -> list[tuple[str, float]]:
    """The distinct (mask, ratio) pairs, the baseline ("none", 0.0) first."""
    pairs = [("none", 0.0)]
    pairs += [(mask, ratio) for mask in spec.masks for ratio in spec.ratios if mask != "none" and ratio > 0]
    return list(dict.fromkeys(pairs))


def _common(spec: SweepSpec, model: ModelPlan, data: DataIdentity) -> dict[str, Any]:
    return {
        "version": CONFIG_VERSION,
        "model": model.name,
        "dataset": data.layout,
        "input_size": list(model.input_size),
        "as_published": spec.as_published,
        "data": data.fingerprint,
        "device": spec.device.partition(":")[0],
        "amp": spec.amp,
    }


def _base_config(spec: SweepSpec, model: ModelPlan, data: DataIdentity) -> dict[str, Any]:
    return _common(spec, model, data) | {
        "kind": "base",
        "seed": BASE_SEED,
        "recipe": model.base_recipe,
        "backbone_weights": model.backbone_weights,
        "threads": model.base_threads,
    }


def _cell_config(
    spec: SweepSpec, model: ModelPlan, data: DataIdentity, mask: str, ratio: float, seed: int, base: str | None
) -> dict[str, Any]:
    return _common(spec, model, data) | {
        "kind": "cell",
        "mask": mask,
        "mask_ratio": ratio,
        "seed": seed,
        "training": model.training,
        "recipe": model.recipe,
        "threads": model.threads,
        "base": base,
        "weights": model.weights,
        "backbone_weights": model.backbone_weights if model.training == "scratch" else None,
        "evaluation": EVALUATION | {"flip_test": spec.flip_test, "boxes": data.boxes},
    }
