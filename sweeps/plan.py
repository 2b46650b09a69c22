"""What a sweep must know before it starts: its models' recipes and weights, its data, its cells and their keys."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..benchmark.counting.flops import untrained_model
from ..benchmark.instruments.device import check_device
from ..benchmark.instruments.energy import energy_counter
from ..benchmark.instruments.interference import usable_cores
from ..benchmark.profiling.config import RunConfig, runs_of
from ..pose.errors import InputError
from ..pose.models.as_trained import load_model, trained_in_words
from ..pose.models.config import ModelConfig, ModelSpec
from ..pose.models.weights import load_backbone_weights
from ..pose.models.weights_file import read_weights
from ..pose.models.zoo import create_model, is_tiny, usual_decoder
from ..pose.reductions import ReductionConfig
from ..pose.training.recipe import TINY_FINETUNE, TINY_RECIPE, TrainingRecipe, paper_recipe
from .budgets import reductions_within
from .cells import expand, reductions_of
from .config import FINETUNE, SCRATCH, UNTRAINED, WEIGHTS, CellConfig, EvalConfig, Start, TrainConfig
from .data import DataFacts
from .executors import find_executor
from .off_the_shelf import with_own_modules
from .request import SweepRequest

# Ours, for --finetune on the papers' models: a tenth of their schedule, from the learning rate of its second phase.
PAPER_FINETUNE = {"epochs": 30, "learning_rate": 1e-4, "milestones": (20, 26)}


@dataclass(frozen=True)
class Plan:
    """A resolved sweep. models: the unmasked cell of each. bases: the shared base models by key. notes: what the given
    weights were trained with, and which runtimes do not compute in which precision, in words."""

    request: SweepRequest
    data: DataFacts
    models: tuple[CellConfig, ...]
    cells: list[CellConfig]
    bases: dict[str, CellConfig]
    notes: tuple[str, ...] = ()


def make_plan(request: SweepRequest, data: DataFacts) -> Plan:
    """Resolve recipes, weights and threads and expand the grid. InputError for a device that is not there, weights that
    cannot be read or do not fit, or a model that cannot be built for this data or masked by one of the ratios.
    """
    if find_executor(request.executor).here:
        for device in [f"cuda:{number}" for number in request.device_numbers or ()] or [request.device]:
            found = check_device(device)
            if request.energy:
                energy_counter(found)
    _, left_out = runs_of(RunConfig(_device(request)), request.runtimes, request.precisions)
    reductions = {name: _checked_reductions(request, name, data) for name in request.models}
    models, bases, notes = [], [], [f"left out: {line}" for line in left_out]
    for name in request.models:
        spec, note = _checked_model(request, name, data)
        models.append(_unmasked_cell(request, spec, data))
        bases.append(_base_model(request, models[-1], data))
        notes += [note] if note else []
    pairs = list(zip(models, bases, strict=True))
    cells, by_key = expand(pairs, reductions, request.seeds, elastic=request.elastic)
    for name, weights in request.weights:
        own = iter(with_own_modules([cell for cell in cells if cell.model.name == name], weights, data))
        cells = [next(own) if cell.model.name == name else cell for cell in cells]
    return Plan(request, data, tuple(models), cells, by_key, tuple(notes))


def _checked_reductions(request: SweepRequest, name: str, data: DataFacts) -> list[ReductionConfig]:
    """The reductions of a model, each with its ratio. Every masked model is made without its weights: what cannot be
    made is told before anything runs."""
    found = []
    unmasked = ModelConfig(
        name=name,
        dataset=data.layout,
        described=data.described,
        input_size=request.input_size,
        as_published=request.as_published,
        decoder=request.decoder,
    )
    if request.budgets:
        reductions = reductions_within(unmasked, request.masks, request.budgets)
    else:
        reductions = reductions_of(request)
    for reduction in reductions:
        try:
            model = untrained_model(replace(unmasked, reduction=reduction))
            if request.elastic and reduction.ratio == max(request.ratios):
                model.set_mask_ratio(0.0)
        except InputError as error:
            ratio = "" if reduction.ratio is None else f" --ratios {reduction.ratio:g}"
            raise InputError(f"--model {name} --mask {reduction.text}{ratio}: {error}") from None
        found.append(reduction if reduction.ratio is not None else replace(reduction, ratio=model.spec.mask_ratio))
    return found


def _checked_model(request: SweepRequest, name: str, data: DataFacts) -> tuple[ModelSpec, str]:
    """The unmasked model, and what the weights given for it were trained with: a file that does not fit, or was trained
    as another model, is told before anything runs."""
    given = {"input_size": request.input_size, "decoder": request.decoder}
    asked = {"name": name, "dataset": data.dataset, "mask": "none", "as_published": request.as_published}
    asked |= {key: value for key, value in given.items() if value}
    model, note = create_model(**asked), ""
    weights = request.weights_of(name)
    if weights:
        if not request.as_published:
            asked |= {"positions": model.spec.positions, "position_type": model.spec.position_type}
        file = read_weights(weights)
        model, _ = load_model(file, **asked)
        note = trained_in_words(file) if file.config is not None else f"{file.name} does not say how it was trained"
    if request.backbone_weights:
        load_backbone_weights(model, request.backbone_weights)
    return model.spec, note


def _unmasked_cell(request: SweepRequest, spec: ModelSpec, data: DataFacts) -> CellConfig:
    """The unmasked cell of a model, before it has a seed and a base model."""
    size = tuple(spec.input_size)
    model = ModelConfig(
        name=spec.name, dataset=data.layout, described=data.described, input_size=size,
        as_published=request.as_published, source=spec.source,
        decoder=spec.decoder if spec.decoder != usual_decoder(spec.name) else None,
    )
    weights = request.weights_of(model.name)
    mode = request.training or (WEIGHTS if weights else FINETUNE if is_tiny(model.name) else SCRATCH)
    mode = UNTRAINED if request.profile_only else mode
    long, short = _recipes(model)
    recipe = {FINETUNE: short, SCRATCH: long}.get(mode)
    backbone = file_sha256(request.backbone_weights) if request.backbone_weights and mode == SCRATCH else None
    return CellConfig(
        model=model,
        train=TrainConfig(
            mode=mode,
            recipe=recipe and _of_length(recipe, request.epochs, request.amp),
            start=Start(weights=file_sha256(weights) if weights else None, backbone_weights=backbone),
            data=data.train_hash if recipe else None,
        ),
        run=_run(request, default_threads(model.name, request.device)),
        eval=EvalConfig(
            data=data.eval_hash, boxes=data.boxes_hash, flip_test=request.flip_test, decode=spec.convention
        ),
    )


def _base_model(request: SweepRequest, cell: CellConfig, data: DataFacts) -> CellConfig | None:
    """The model that cells are fine-tuned from, unless weights are given."""
    if cell.train.mode != FINETUNE or cell.train.start.weights:
        return None
    backbone = file_sha256(request.backbone_weights) if request.backbone_weights else None
    recipe = _of_length(_recipes(cell.model)[0], request.base_epochs, request.amp)
    return CellConfig(
        model=cell.model,
        train=TrainConfig(SCRATCH, recipe, Start(backbone_weights=backbone), data.train_hash),
        run=_run(request, default_threads(None, request.device)),
    )


def _recipes(model: ModelConfig) -> tuple[TrainingRecipe, TrainingRecipe]:
    """From scratch, and for fine-tuning."""
    if is_tiny(model.name):
        return TINY_RECIPE, TINY_FINETUNE
    long = paper_recipe(model.described or model.dataset)
    return long, replace(long, **PAPER_FINETUNE)


def _device(request: SweepRequest) -> str:
    return request.device.partition(":")[0]


def _run(request: SweepRequest, threads: int) -> RunConfig:
    return RunConfig(
        _device(request), request.threads or threads, tf32=request.tf32 == "on", deterministic=request.deterministic
    )


def default_threads(model: str | None, device: str) -> int:
    """One thread per cell for a tiny model on the CPU, where cells run side by side; otherwise all cores, up to 8."""
    return 1 if model and is_tiny(model) and device == "cpu" else min(8, usable_cores())


def _of_length(recipe: TrainingRecipe, epochs: int | None, amp: bool) -> TrainingRecipe:
    """The recipe for so many epochs. Milestones move with the length, so that a short run has all phases, too."""
    if epochs is not None:
        moved = {max(1, round(m * epochs / recipe.epochs)) for m in recipe.milestones}
        recipe = replace(recipe, epochs=epochs, milestones=tuple(sorted(m for m in moved if m < epochs)))
    return replace(recipe, amp=amp)


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
    return Path(plan.request.out) if plan.request.out is not None else default_folder(plan)


def default_folder(plan: Plan) -> Path:
    """runs/<models>-<masks>-<8 hex of the grid>: the same command finds its folder again, another never does."""
    grid = hashlib.sha256(" ".join(sorted(cell.key for cell in plan.cells)).encode()).hexdigest()[:8]
    masks = list(dict.fromkeys(cell.model.mask for cell in plan.cells if not cell.is_baseline)) or ["unmasked"]
    return Path("runs", f"{_short(plan.request.models)}-{_short(masks)}-{grid}")


def _short(names: list[str] | tuple[str, ...]) -> str:
    more = [f"and_{len(names) - 2}_more"] if len(names) > 2 else []
    return re.sub(r"[^\w+.]", "_", "+".join([*names[:2], *more]))
