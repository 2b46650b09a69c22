"""Profile models of the zoo: what a mask saves in multiply-adds, on the clock and in memory, measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...pose.models.as_trained import as_trained
from ...pose.models.choices import asked_model, choose_models
from ...pose.models.config import ModelConfig
from ...pose.models.model import PoseModel
from ...pose.models.weights import load_weights
from ...pose.models.weights_file import WeightsFile, read_weights
from ...pose.models.zoo import create_model
from ...pose.reductions import NONE
from ..counting.flops import flops_row
from ..instruments.allocator import keep_freed_memory
from ..instruments.device import check_count, check_device, check_dtype, check_room
from ..instruments.environment import conditions
from ..instruments.memory import MemoryResult
from ..instruments.own_process import in_own_process
from ..instruments.precision import Precision
from ..instruments.timing import Row, Subject, time_together
from .config import ProfileConfig
from .modules import memory_columns, placed_memory, profile_modules

Weights = str | Path | None


def profile(
    models: str | Sequence[str] | nn.Module,
    *,
    inputs: torch.Tensor | tuple[torch.Tensor, ...] | None = None,
    masks: Sequence[str] = (),
    ratios: Sequence[float] = (),
    baseline: bool = False,
    weights: Weights = None,
    progress: Callable[..., object] | None = None,
    **options: Any,
) -> list[Row]:
    """Measure every configuration; one row (columns of the results) per configuration and batch size.

    models: names of the zoo (none where `weights` are a checkpoint of ours), or any nn.Module with example `inputs`
    (then whole-model columns only; see profile_modules). masks x ratios: what each model is built with; ratio 0 of any
    mask is the unmasked model, which is measured once. Without both a model is as its name says. baseline: the unmasked
    model of each name, too. weights: a file loaded into every model; a checkpoint of ours brings its model, and its
    mask where neither masks nor ratios are given.
    options: device ("cpu"), batch_sizes ((1,)), dtype ("float32"), threads (None), samples (130), seconds (20.0) and
    memory (True), as ProfileConfig and RunConfig say; and arguments of create_model, such as dataset (COCO) or
    input_size.
    progress(done, total, stage=..., ...): stage "latency" counts samples, "memory" rows.

    All configurations of a batch size are timed interleaved, whole and behind the backbone, with the C allocator set
    to keep freed memory (see allocator.py; this stays so for the process). Rows hold the columns of flops_row,
    time_together (raw times included), memory_columns and conditions, and `precision`.
    Raises InputError for an unknown model, mask, device or dtype, a ratio outside [0, 1) or a count below 1.
    """
    how = ProfileConfig.of(options)
    if isinstance(models, nn.Module):
        if inputs is None:
            raise TypeError("profile of a module needs example inputs: profile(module, inputs=torch.randn(1, ...))")
        if options:
            raise TypeError(f"profile of a module does not take {', '.join(options)}")
        return profile_modules({type(models).__name__: models}, inputs, how, progress)
    names = [models] if isinstance(models, str) else list(models)
    if weights is None:
        chosen = choose_models(names, masks, ratios, baseline=baseline, **options)
    else:
        file = read_weights(weights)
        names = names or [as_trained(file, {})["name"]]
        masks, ratios = _masks_of(file, masks, ratios)
        asked = choose_models(names, masks, ratios, baseline=baseline, **options)
        chosen = [asked_model(**as_trained(file, _asked(config, options))) for config in asked]
    return profile_models(chosen, how, weights=weights, progress=progress)


def _masks_of(
    file: WeightsFile, masks: Sequence[str], ratios: Sequence[float]
) -> tuple[Sequence[str], Sequence[float]]:
    """The masks and ratios asked for; what is left open as the weights were trained, where the file says it."""
    if file.config is None or (ratios and not masks and file.config["mask"] == NONE):
        return masks, ratios
    return masks or [file.config["mask"]], ratios or ([] if masks else [file.config["mask_ratio"]])


def _asked(config: ModelConfig, options: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration was asked for: the rest is the checkpoint's to say."""
    asked = {name: value for name, value in vars(config).items() if name == "name" or name in options}
    return asked | {"mask": config.mask, "mask_ratio": config.reduction.ratio}


def profile_models(
    chosen: Sequence[ModelConfig],
    how: ProfileConfig,
    *,
    weights: Weights = None,
    progress: Callable[..., object] | None = None,
) -> list[Row]:
    """`profile` for models already chosen."""
    device, threads = check_device(how.run.device), check_count("threads", how.run.threads)
    precision = Precision(check_dtype(how.run.dtype, device), device)
    sizes = [check_count("batch size", size) for size in how.batch_sizes]
    keep_freed_memory()
    models: dict[ModelConfig, PoseModel] = {}
    counts: dict[ModelConfig, Row] = {}
    for config in chosen:
        model = _build(config, weights)
        counts[config] = flops_row(model)
        models[config] = precision.place(model)
    if device.type == "cpu":
        check_room(max(sizes), max(prod(model.spec.input_size) for model in models.values()))
    rows: list[Row] = []
    for size in sizes:
        timed = time_models(
            models,
            size,
            precision,
            threads=threads,
            max_samples=how.samples,
            max_seconds=how.seconds,
            progress=progress and (lambda done, total, **info: progress(done, total, stage="latency", **info)),
        )
        for config in chosen:
            now = conditions(device, precision.dtype, threads, size)
            rows.append({"status": "ok", **counts[config], **timed[config], **now, "precision": precision.text})
    if how.memory:
        del models
        if device.type == "cuda":
            torch.cuda.empty_cache()  # the children need the room
        jobs = [(config, size) for size in sizes for config in chosen]
        for done, (row, job) in enumerate(zip(rows, jobs, strict=True), start=1):
            row |= memory_columns(in_own_process(model_memory, *job, precision, threads, weights))
            if progress is not None:
                progress(done, len(jobs), stage="memory")
    return rows


def _build(config: ModelConfig, weights: Weights) -> PoseModel:
    model = create_model(config)
    if weights is not None:
        load_weights(model, weights)
    return model


def time_models(
    models: Mapping[Any, PoseModel], batch_size: int, precision: Precision, **how: Any
) -> dict[Any, Row]:
    """Latency columns of pose models that are placed on the device already, timed interleaved.

    Each is compared with the unmasked one of its name, dataset and input size, if that is among them.
    `how`: see time_together; threads should be given here, if at all, as features are computed before.
    """
    subjects = {}
    for name, model in models.items():
        images = precision.place_tensor(example_images(model, batch_size))
        ids = torch.arange(batch_size, device=precision.device)
        with torch.inference_mode():
            features = precision.bind(model.backbone, images)()
        subjects[name] = Subject(
            precision.bind(model, images, ids),
            precision.bind(model.transformer, features, ids),
            _baseline(name, models),
        )
    return time_together(subjects, batch_size, device=precision.device, **how)


def model_memory(
    config: ModelConfig, batch_size: int, precision: Precision, threads: int | None, weights: Weights = None
) -> MemoryResult:
    """Peak memory of one forward pass of a model. Run it in a process of its own."""
    model = _build(config, weights)
    return placed_memory(model, (example_images(model, batch_size), torch.arange(batch_size)), precision, threads)


def example_images(model: PoseModel, batch_size: int) -> torch.Tensor:
    """(batch_size, 3, H, W) normal random numbers, always the same, at the model's input size."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch_size, 3, *model.spec.input_size, generator=generator)


def _baseline(name: Any, models: Mapping[Any, PoseModel]) -> Any:
    def family(model: PoseModel) -> tuple[object, ...]:
        return model.spec.name, model.spec.dataset, model.spec.input_size

    if models[name].spec.reduction.is_none:
        return None
    same = (n for n, other in models.items() if other.spec.reduction.is_none and family(other) == family(models[name]))
    return next(same, None)
