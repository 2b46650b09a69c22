"""From a specification to cells: every combination, the unmasked baselines, and the key that names a result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .spec import SweepSpec

CONFIG_VERSION = 1
BASE_SEED = 0
#: masks whose own weights an unmasked model does not have
LEARNED_MASKS = ("scorer",)
EVALUATION = {"oks_nms": 0.9, "batch_size": 32}


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
    weights, backbone_weights: sha256 of the given files, if any. weights_trained: what the weights file says of its
    training, in words. decode: the model's own way to read heatmaps.
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
    weights_trained: str | None = None
    decode: str = "dark"


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built as: `create_model` takes exactly these and a seed, of which the clock knows nothing."""

    name: str
    dataset: str
    input_size: tuple[int, int]
    mask: str
    mask_ratio: float
    as_published: bool


@dataclass(frozen=True)
class RunConfig:
    """What a model is run on."""

    device: str
    threads: int
    dtype: str = "float32"


@dataclass(frozen=True)
class Executed:
    """All that decides what a forward pass executes, and so how long it takes; how a model was trained does not.

    Cells and their timing build their models from this record, so that no axis can change a model unless it stands here
    and in the key.
    """

    model: ModelConfig
    run: RunConfig

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Executed:
        """The part of a cell's or base model's configuration that is executed."""
        known = {"name": config["model"]} | dict(config) | {"input_size": tuple(config["input_size"])}

        def record(kind: type) -> Any:
            return kind(**{f.name: known[f.name] for f in dataclasses.fields(kind) if f.name in known})

        return cls(record(ModelConfig), record(RunConfig))

    @property
    def key(self) -> str:
        return config_key(dataclasses.asdict(self))


@dataclass(frozen=True)
class Cell:
    """One configuration, in plain types: everything that determines its result, and no path or time."""

    config: dict[str, Any]

    @cached_property
    def key(self) -> str:
        return config_key(self.config)

    @cached_property
    def timing_key(self) -> str:
        """Key of what the cell executes: all seeds of a model, mask and ratio share a latency."""
        return Executed.of(self.config).key

    @property
    def is_baseline(self) -> bool:
        return self.config["mask"] == "none"

    @property
    def is_elastic(self) -> bool:
        """Whether the model was trained at another mask ratio than the one it is evaluated at, or at several."""
        return "train_ratio" in self.config

    @property
    def trained(self) -> str | None:
        """Key of the cell whose model this one evaluates; None where it has a model of its own."""
        return self.config.get("trained")

    @property
    def trains(self) -> bool:
        return bool(self.config["recipe"]) and self.trained is None

    @property
    def group(self) -> tuple[str, int]:
        """Model and seed: cells of one group are compared with the group's unmasked cell."""
        return self.config["model"], self.config["seed"]

    @property
    def label(self) -> str:
        c = self.config
        mask = "unmasked" if self.is_baseline else f"{c['mask']} {c['mask_ratio']:g}"
        trained = f" trained at {c['train_ratio']}" if self.is_elastic else ""
        return f"{c['model']} {mask}{trained} seed {c['seed']}"


def config_key(config: dict[str, Any]) -> str:
    """First 16 hex digits of the SHA-256 of the configuration's canonical JSON."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def expand(
    spec: SweepSpec, models: list[ModelPlan], data: DataIdentity
) -> tuple[list[Cell], dict[str, dict[str, Any]]]:
    """The cells in the order in which they run, and the base models that they start from: key -> configuration.

    Ratio 0 of any mask, and the mask "none" at any ratio, is the unmasked baseline, which is always in, once per
    model and seed. Elastic cells follow those of their model and seed.
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
            pairs = masks_and_ratios(spec)
            group = {pair: Cell(_cell_config(spec, model, data, *pair, seed, base)) for pair in pairs}
            elastic = elastic_cells(group) if spec.elastic else []
            cells |= {cell.key: cell for cell in [*group.values(), *elastic]}
    return list(cells.values()), bases


def masks_and_ratios(spec: SweepSpec) -> list[tuple[str, float]]:
    """The distinct (mask, ratio) pairs, the baseline ("none", 0.0) first."""
    pairs = [("none", 0.0)]
    pairs += [(mask, ratio) for mask in spec.masks for ratio in spec.ratios if mask != "none" and ratio > 0]
    return list(dict.fromkeys(pairs))


def elastic_cells(group: dict[tuple[str, float], Cell]) -> list[Cell]:
    """The cells of one model and seed whose training and test ratios differ, by mask, training ratio and test ratio.

    group: its ordinary cells by mask and ratio. Each of their models, the unmasked one too, is evaluated at every other
    ratio; and one more is trained with a ratio drawn for each step, 0 among them. That one is evaluated at the highest
    ratio when it is trained, and at the others like the rest.
    """
    baseline = group["none", 0.0]
    found: list[Cell] = []
    for mask in dict.fromkeys(mask for mask, _ in group if mask != "none"):
        own = {ratio: cell for (name, ratio), cell in sorted(group.items()) if name == mask}
        steps = [0.0, *own]
        if mask not in LEARNED_MASKS:
            found += [_evaluation(baseline, "0", mask, ratio) for ratio in own]
        for ratio, cell in own.items():
            found += [_evaluation(cell, ratio_text(ratio), mask, other) for other in steps if other != ratio]
        highest = own[steps[-1]]
        changed = {"recipe": highest.config["recipe"] | {"mask_ratios": steps}, "kind": "elastic"}
        drawn = Cell(highest.config | changed | {"train_ratio": ",".join(map(ratio_text, steps))})
        found += [_evaluation(drawn, drawn.config["train_ratio"], mask, ratio) for ratio in steps[:-1]]
        found.append(drawn)
    return found


def _evaluation(cell: Cell, train_ratio: str, mask: str, ratio: float) -> Cell:
    """The model of a cell evaluated at another ratio. What it was trained from is said by that cell's key."""
    start = dict.fromkeys(("base", "weights", "backbone_weights"))
    other = {"kind": "evaluation", "mask": mask, "mask_ratio": ratio, "trained": cell.key, "train_ratio": train_ratio}
    return Cell(cell.config | start | other)


def ratio_text(ratio: float) -> str:
    """The shortest text that reads as the same number: "0", "0.4"."""
    return f"{ratio:g}" if float(f"{ratio:g}") == ratio else repr(ratio)


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
        "evaluation": EVALUATION | {"decode": model.decode, "flip_test": spec.flip_test, "boxes": data.boxes},
    }
