"""Profile models of the zoo: what a mask saves in multiply-adds, on the clock and in memory, measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...pose.errors import InputError, is_shortage
from ...pose.models.as_trained import as_trained, check_named
from ...pose.models.choices import asked_model, choose_models
from ...pose.models.config import ModelConfig, ModelSpec
from ...pose.models.model import PoseModel
from ...pose.models.weights import load_weights
from ...pose.models.weights_file import WeightsFile, read_weights
from ...pose.models.zoo import create_model
from ...pose.reductions import NONE
from ...row import STATUS_FAILED, STATUS_OK
from ..counting.flops import flops_row
from ..instruments.allocator import keep_freed_memory
from ..instruments.device import check_count, check_room, torch_threads, use_device
from ..instruments.energy import Counter, energy_counter
from ..instruments.environment import conditions
from ..instruments.memory import MemoryResult
from ..instruments.own_process import in_own_process
from ..instruments.processes import time_in_processes
from ..instruments.shortage import release, shortage_text
from ..instruments.timing import Row, Subject
from ..runtimes.descriptor import INT8
from ..runtimes.onnx_file import written
from ..runtimes.registry import find_runtime
from .config import ProfileConfig, RunConfig
from .crops import CALIBRATION, COMPARED, load_crops
from .in_runtime import Crops, place_model, precision_text
from .modules import memory_or_error, prepared_memory, profile_modules
from .subjects import measure_subjects

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
    options: device ("cpu"), batch_sizes ((1,)), runtimes (("eager",)), precisions (("float32",)), dtype ("float32"),
    threads (None), samples (130), seconds (20.0), memory (True), tf32 (False) and energy (False), as ProfileConfig and
    RunConfig say; and, for names, arguments of create_model, such as dataset (COCO) or input_size.
    progress(done, total, stage=..., ...): stage "preparing" counts models in their runtimes, "latency" samples,
    "memory" rows.

    All configurations of a batch size are timed interleaved, in every runtime and precision, whole and behind the
    backbone, with the C allocator set to keep freed memory (see allocator.py; this stays so for the process). Rows hold
    the columns of flops_row, time_models (raw times included), memory_columns and conditions, and `precision`.
    Raises InputError for an unknown model, mask, device, runtime or precision, what this machine lacks, a ratio outside
    [0, 1) or a count below 1.
    """
    how = ProfileConfig.of(options)
    if isinstance(models, nn.Module):
        if inputs is None:
            raise TypeError("profile of a module needs example inputs: profile(module, inputs=torch.randn(1, ...))")
        given = {"masks": masks, "ratios": ratios, "baseline": baseline, "weights": weights is not None}
        if wrong := [*options, *(name for name, value in given.items() if value)]:
            raise TypeError(f"profile of a module does not take {', '.join(wrong)}")
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
    if not masks:
        check_named(file, "mask", None, file.config["mask"])
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
    device, threads = use_device(how.run.device, tf32=how.run.tf32), check_count("threads", how.run.threads)
    counter, processes = energy_counter(device) if how.energy else None, check_count("processes", how.processes)
    runs, _ = how.runs()
    sizes = [check_count("batch size", size) for size in how.batch_sizes]
    keep_freed_memory()
    models: dict[ModelConfig, PoseModel] = {}
    counts: dict[tuple[ModelConfig, str], Row] = {}
    for config in chosen:
        models[config] = _build(config, weights).eval()
        for name in {run.runtime for run in runs}:
            counts[config, name] = executed_row(models[config], name)
    check_room_for(models.values(), max(sizes))
    rows: list[Row] = []
    memory: list[Callable[[], MemoryResult]] = []
    for size in sizes:
        if processes == 1:
            timed = time_models(
                models,
                size,
                runs,
                device=device,
                threads=threads,
                data=how.data,
                counter=counter,
                max_samples=how.samples,
                max_seconds=how.seconds,
                retries=how.retries,
                progress=progress,
            )
        else:
            timed = time_apart(list(models), runs, how, size, weights, progress)
        for config, run in product(chosen, runs):
            now = conditions(device, run.dtype, threads, size) | {"precision": precision_text(run, device)}
            rows.append({"status": STATUS_OK, **counts[config, run.runtime], **now, **timed[config, run]})
            memory.append(partial(row_memory, config, models[config], size, run, device, weights))
    if how.memory:
        for done, (row, measure) in enumerate(zip(rows, memory, strict=True), start=1):
            if row["status"] == STATUS_OK:
                row |= memory_or_error(measure)
            if progress is not None:
                progress(done, len(rows), stage="memory")
    return rows


def time_apart(
    configs: Sequence[ModelConfig],
    runs: Sequence[RunConfig],
    how: ProfileConfig,
    batch_size: int,
    weights: Weights = None,
    progress: Callable[..., object] | None = None,
) -> dict[tuple[ModelConfig, RunConfig], Row]:
    """time_models in each of how.processes, pooled. Where one of them found no memory, or was killed for it, all rows
    have the status failed and the reason: of this batch size, as others were, or will be, measured."""
    order = configs, runs, how, weights, batch_size
    try:
        return time_in_processes(how.processes, batch_size, time_alone, *order, progress=progress)
    except RuntimeError as error:
        if not is_shortage(error):
            raise
        failed = {"status": STATUS_FAILED, "error": shortage_text(error)}
        return {(config, run): {"runtime": run.runtime} | failed for config, run in product(configs, runs)}


def time_alone(
    configs: Sequence[ModelConfig],
    runs: Sequence[RunConfig],
    how: ProfileConfig,
    weights: Weights,
    batch_size: int,
    seed: int,
) -> dict[tuple[ModelConfig, RunConfig], Row]:
    """time_models of models that are built for it, one of how.processes: it takes that share of the samples and of the
    seconds, and the first one takes the energy. seed: the process's number. Run it in a process of its own.
    """
    device = use_device(how.run.device, tf32=how.run.tf32)
    keep_freed_memory()
    return time_models(
        {config: _build(config, weights).eval() for config in configs},
        batch_size,
        runs,
        device=device,
        threads=how.run.threads,
        data=how.data,
        counter=energy_counter(device) if how.energy and seed == 0 else None,
        max_samples=ceil(how.samples / how.processes),
        max_seconds=how.seconds / how.processes,
        retries=how.retries,
        seed=seed,
    )


def executed_row(model: PoseModel, runtime: str) -> Row:
    """The FLOP columns of a model as a runtime executes it; those of the papers' counter are the model's own."""
    own, form = flops_row(model), find_runtime(runtime).executed(model)
    if form is model:
        return own
    return flops_row(form) | {name: value for name, value in own.items() if name.startswith("published")}


def _build(config: ModelConfig, weights: Weights) -> PoseModel:
    model = create_model(config)
    if weights is not None:
        load_weights(model, weights)
    return model


def time_models(
    models: Mapping[Any, PoseModel],
    batch_size: int,
    runs: Sequence[RunConfig] = (RunConfig(),),
    *,
    device: torch.device,
    threads: int | None = None,
    data: str | None = None,
    counter: Counter | None = None,
    progress: Callable[..., object] | None = None,
    **how: Any,
) -> dict[tuple[Any, RunConfig], Row]:
    """Latency columns of pose models (float32, on the CPU, in evaluation mode) in each run, all timed interleaved.

    Each is compared with the unmasked one of its name, dataset and input size in the same run, and with itself in eager
    float32, if these are among them. What is not equal to eager in float32, cannot be prepared or finds too little
    memory is not timed: its row has the status failed and the reason, and the others stand. data: whose crops calibrate
    int8. counter: of energy, which is measured behind the times. `how`: see time_together.
    """
    subjects, columns, failed = {}, {}, {}
    try:
        check_room_for(models.values(), batch_size)
    except InputError as error:  # of this batch size: others were, or will be, measured
        none = {"status": STATUS_FAILED, "error": str(error)}
        return {(name, run): {"runtime": run.runtime} | none for name in models for run in runs}
    with torch_threads(threads):
        for done, (name, model) in enumerate(models.items()):
            images = example_images(model, batch_size)
            crops = crops_for(model.spec, runs, data)
            for number, run in enumerate(runs):
                placed = place_model(model, replace(run, threads=threads), device, images, crops)
                columns[name, run] = placed.columns
                if placed.error is not None or placed.whole is None:
                    failed[name, run] = {"status": STATUS_FAILED, "error": placed.error}
                    continue
                subjects[name, run] = Subject(
                    placed.whole,
                    placed.transformer,
                    baseline=(_baseline(name, models), run),
                    eager=None if run.is_reference else (name, _reference(runs)),
                    graph=placed.graph,
                    transformer_graph=placed.transformer_graph,
                )
                if progress is not None and len(runs) > 1:
                    progress(done * len(runs) + number + 1, len(models) * len(runs), stage="preparing")
    how |= {"device": device, "threads": threads, "counter": counter, "progress": progress}
    rows = measure_subjects(subjects, batch_size, **how) | failed
    if any("error" in row for row in rows.values()):
        del subjects
        release()
    return {key: about | rows[key] for key, about in columns.items()}


def check_room_for(models: Iterable[PoseModel], batch_size: int) -> None:
    """InputError where a batch of their images does not fit into memory."""
    check_room(batch_size, max(3 * prod(model.spec.input_size) for model in models))


def _reference(runs: Sequence[RunConfig]) -> RunConfig | None:
    return next((run for run in runs if run.is_reference), None)


def crops_for(spec: ModelSpec, runs: Sequence[RunConfig], data: str | None) -> Crops | None:
    """Crops of people for what must be calibrated, or where a data folder is given for the comparison."""
    if data is None and all(run.dtype != INT8 for run in runs):
        return None
    compared = load_crops(data, "val", spec, COMPARED)
    return Crops(load_crops(data, "train", spec, CALIBRATION), compared, "crops of people")


def row_memory(
    config: ModelConfig, model: PoseModel, size: int, run: RunConfig, device: torch.device, weights: Weights = None
) -> MemoryResult:
    """The memory of one row, from a process of its own. A file that a runtime reads is written already: time first."""
    if find_runtime(run.runtime).in_torch:
        return in_own_process(model_memory, config, size, run, device, weights)
    return in_own_process(prepared_memory, written(model), _batch(model, size), run, device)


def model_memory(
    config: ModelConfig, batch_size: int, run: RunConfig, device: torch.device, weights: Weights = None
) -> MemoryResult:
    """Peak memory of one forward pass of a model in a runtime of torch's. Run it in a process of its own."""
    model = _build(config, weights)
    return prepared_memory(model, _batch(model, batch_size), run, device)


def _batch(model: PoseModel, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    return example_images(model, size), torch.arange(size)


def example_images(model: PoseModel, batch_size: int) -> torch.Tensor:
    """(batch_size, 3, H, W) normal random numbers, always the same, at the model's input size."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch_size, 3, *model.spec.input_size, generator=generator)


def unmasked_of(config: ModelConfig, chosen: Sequence[ModelConfig]) -> ModelConfig | None:
    """The unmasked configuration of the same model; None for that itself, and where it is not among the chosen."""
    if config.reduction.is_none:
        return None
    same = (other for other in chosen if (other.name, other.dataset) == (config.name, config.dataset))
    return next((other for other in same if other.reduction.is_none), None)


def _baseline(name: Any, models: Mapping[Any, PoseModel]) -> Any:
    def family(model: PoseModel) -> tuple[object, ...]:
        return model.spec.name, model.spec.dataset, model.spec.input_size

    if models[name].spec.reduction.is_none:
        return None
    same = (n for n, other in models.items() if other.spec.reduction.is_none and family(other) == family(models[name]))
    return next(same, None)
