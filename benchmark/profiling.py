"""Profile models of the zoo: what a mask saves in multiply-adds, on the clock and in memory, measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..pose.models.as_trained import as_trained
from ..pose.models.weights import load_weights
from ..pose.models.weights_file import WeightsFile, read_weights
from .allocator import keep_freed_memory
from .configurations import Configuration, configurations
from .device import check_count, check_device, check_dtype
from .environment import conditions
from .flops import flops_row
from .memory import MemoryResult
from .module_profile import memory_columns, placed_memory, profile_modules
from .own_process import in_own_process
from .precision import Precision
from .timing import Row, Subject, time_together


def profile(
    models: str | Sequence[str] | nn.Module,
    *,
    inputs: torch.Tensor | tuple[torch.Tensor, ...] | None = None,
    dataset: str | None = None,
    input_size: tuple[int, int] | None = None,
    masks: Sequence[str] = (),
    ratios: Sequence[float] = (),
    baseline: bool = False,
    device: str | torch.device = "cpu",
    batch_sizes: Sequence[int] = (1,),
    dtype: str | torch.dtype = "float32",
    threads: int | None = None,
    samples: int = 130,
    seconds: float = 20.0,
    memory: bool = True,
    progress: Callable[..., object] | None = None,
    weights: str | Path | None = None,
    **create: Any,
) -> list[Row]:
    """Measure every configuration; one row (columns of the results) per configuration and batch size.

    models: names of the zoo (none where `weights` are a checkpoint of ours), or any nn.Module with example `inputs`
    (then whole-model columns only; see profile_modules). dataset: COCO by default. masks x ratios: what each model is
    built with; ratio 0 of any mask is the unmasked model, which is measured once. Without both a model is as its name
    says. baseline: the unmasked model of each name, too. create: further arguments of create_model.
    device: "cpu", "cuda" or "cuda:N". dtype: float32, bfloat16 (on a CPU by autocast) or float16 (CUDA).
    threads: CPU threads of torch (None: as they are). samples: timed calls of each, at most; seconds: time limit for
    the samples of one batch size, all configurations together (at least 10 samples are taken nevertheless).
    memory: also the peak memory, of each row in a process of its own. weights: a file loaded into every model; a
    checkpoint of ours brings its model, and its mask where neither masks nor ratios are given.
    progress(done, total, stage=..., ...): stage "latency" counts samples, "memory" rows.

    All configurations of a batch size are timed interleaved, whole and behind the backbone, with the C allocator set
    to keep freed memory (see allocator.py; this stays so for the process). Rows hold the columns of flops_row,
    time_together (raw times included), memory_columns and conditions, and `precision`.
    Raises InputError for an unknown model, mask, device or dtype, a ratio outside [0, 1) or a count below 1.
    """
    common = {"device": device, "batch_sizes": batch_sizes, "dtype": dtype, "threads": threads}
    common |= {"samples": samples, "seconds": seconds, "memory": memory, "progress": progress}
    if isinstance(models, nn.Module):
        if inputs is None:
            raise TypeError("profile of a module needs example inputs: profile(module, inputs=torch.randn(1, ...))")
        return profile_modules({type(models).__name__: models}, inputs, **common)
    names = [models] if isinstance(models, str) else list(models)
    fixed = {"dataset": dataset, "input_size": input_size, **create}
    fixed = {name: value for name, value in fixed.items() if value is not None}
    if weights is None:
        chosen = configurations(names, masks, ratios, baseline=baseline, **fixed)
    else:
        file = read_weights(weights)
        names = names or [as_trained(file, {})["name"]]
        masks, ratios = _masks_of(file, masks, ratios, fixed)
        asked = configurations(names, masks, ratios, baseline=baseline, **fixed)
        complete = [as_trained(file, {"name": one.name, **one.arguments}) for one in asked]
        chosen = [Configuration(arguments.pop("name"), arguments) for arguments in complete]
    return profile_configurations(chosen, weights=weights, **common)


def _masks_of(
    file: WeightsFile, masks: Sequence[str], ratios: Sequence[float], fixed: Mapping[str, Any]
) -> tuple[Sequence[str], Sequence[float]]:
    """The masks and ratios asked for; what is left open as the weights were trained, where the file says it."""
    if file.config is None or (ratios and not masks and file.config["mask"] == "none"):
        return masks, ratios
    amounts = {"keep", "merge"} & set(fixed)
    return masks or [file.config["mask"]], ratios or ([] if amounts or masks else [file.config["mask_ratio"]])


def profile_configurations(
    chosen: Sequence[Configuration],
    *,
    device: str | torch.device = "cpu",
    batch_sizes: Sequence[int] = (1,),
    dtype: str | torch.dtype = "float32",
    threads: int | None = None,
    samples: int = 130,
    seconds: float = 20.0,
    memory: bool = True,
    progress: Callable[..., object] | None = None,
    weights: str | Path | None = None,
) -> list[Row]:
    """`profile` for configurations already chosen."""
    found = check_device(device)
    precision = Precision(check_dtype(dtype, found), found)
    sizes = [check_count("batch size", size) for size in batch_sizes]
    check_count("threads", threads)
    keep_freed_memory()
    models, flops = {}, {}
    for configuration in chosen:
        model = configuration.build()
        if weights is not None:
            load_weights(model, weights)
        flops[configuration.label] = flops_row(model)
        models[configuration.label] = precision.place(model)
    rows: list[Row] = []
    for size in sizes:
        timed = time_models(
            models,
            size,
            precision,
            threads=threads,
            max_samples=samples,
            min_samples=min(samples, 10),
            max_seconds=seconds,
            progress=progress and (lambda done, total, **info: progress(done, total, stage="latency", **info)),
        )
        for configuration in chosen:
            now = conditions(found, precision.dtype, threads, size)
            row = {"status": "ok", **flops[configuration.label], **timed[configuration.label], **now}
            rows.append(row | {"precision": precision.text})
    if memory:
        del models
        if found.type == "cuda":
            torch.cuda.empty_cache()  # the children need the room
        jobs = [(configuration, size) for size in sizes for configuration in chosen]
        for done, (row, job) in enumerate(zip(rows, jobs, strict=True), start=1):
            row |= memory_columns(in_own_process(configuration_memory, *job, precision, threads, weights))
            if progress is not None:
                progress(done, len(jobs), stage="memory")
    return rows


def time_models(models: Mapping[str, nn.Module], batch_size: int, precision: Precision, **how: Any) -> dict[str, Row]:
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


def configuration_memory(
    configuration: Configuration,
    batch_size: int,
    precision: Precision,
    threads: int | None,
    weights: str | Path | None = None,
) -> MemoryResult:
    """Peak memory of one forward pass of a configuration. Run it in a process of its own."""
    model = configuration.build()
    if weights is not None:
        load_weights(model, weights)
    return placed_memory(model, (example_images(model, batch_size), torch.arange(batch_size)), precision, threads)


def example_images(model: nn.Module, batch_size: int) -> torch.Tensor:
    """(batch_size, 3, H, W) normal random numbers, always the same, at the model's input size."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch_size, 3, *model.spec.input_size, generator=generator)


def _baseline(name: str, models: Mapping[str, nn.Module]) -> str | None:
    def family(model: nn.Module) -> tuple[object, ...]:
        return model.spec.name, model.spec.dataset, model.spec.input_size

    if models[name].spec.mask == "none":
        return None
    same = (n for n, other in models.items() if other.spec.mask == "none" and family(other) == family(models[name]))
    return next(same, None)
