"""What a sweep is asked to do: options of the command line, a YAML file or Python, checked and put in one record.

The fields of `SweepRequest` are the options: a new one is added here, and where it is used.
"""

# ruff: noqa: RUF009 - _option makes a dataclasses.field
from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ..benchmark.runtimes.catalogue import EAGER
from ..benchmark.runtimes.descriptor import FLOAT32
from ..benchmark.runtimes.registry import check_precision
from ..pose.errors import InputError
from ..pose.reductions import NONE, find_reduction, reduction_config, split_reductions
from ..pose.yaml_file import read_yaml
from ..reports.analysis.margin import MARGIN, check_margin
from .checked import MOST_EPOCHS, MOST_IMAGES, MOST_PROCESSES, MOST_THREADS, Flag, Read, Several, Whole, first_mistake
from .executors import find_executor
from .request_values import (
    device_numbers,
    read_budget,
    read_dataset,
    read_decoder,
    read_device,
    read_devices,
    read_executor,
    read_mask,
    read_model,
    read_on_off,
    read_pairs,
    read_path,
    read_ratio,
    read_runtime,
    read_size,
    read_training,
    read_weights,
)

LARGEST_FILE = 100_000  # bytes of YAML
MARGIN_HELP = "loss of accuracy to call negligible, as a fraction of the full scale; at low accuracies 2 x that of it"

_Path = Annotated[str, Read(read_path)]
_Pixels = Annotated[int, Whole(1)]


def _option(default: Any, help: str, option: str = "", *, also: str = "", words: tuple[str, str] | None = None) -> Any:
    """A field that is an option: its help, its name(s) where they are not the field's, `also` one that a file may use,
    and the two values that a pair --a/--b stands for."""
    return dataclasses.field(default=default, metadata={"help": help, "option": option, "also": also, "words": words})


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """One sweep. Every combination of models, masks, ratios and seeds is a cell; the unmasked baseline is always in.

    data: None means the embedded set. training: "finetune" (from one unmasked base model), "scratch" or "weights"
    (evaluate only); None lets each model decide. weights: (model, file) pairs. epochs: of each cell; None takes the
    recipe's. threads: None: decided by device and model; jobs: None: what the cores allow. margin: see
    reports/analysis/verdicts.py. out: None: named after the grid; it changes nothing in the results.
    """

    models: Annotated[tuple[Annotated[str, Read(read_model)], ...], Several()] = _option(
        ("tmpose_tiny",), "models, separated by commas (default: tmpose_tiny)", "--model", also="model"
    )
    masks: Annotated[tuple[Annotated[str, Read(read_mask)], ...], Several(split_reductions)] = _option(
        ("semantic",), "separated by commas: {masks} (default: semantic)", "--mask", also="mask"
    )
    ratios: Annotated[tuple[Annotated[float, Read(read_ratio)], ...], Several()] = _option(
        (0.2, 0.4, 0.6), "{ratios} (default: 0.2,0.4,0.6)", also="ratio"
    )
    budgets: Annotated[tuple[Annotated[float, Read(read_budget)], ...], Several()] | None = _option(
        None, "in place of ratios: each mask at the ratio whose exact count meets gflops_t:0.025,0.021", also="budget"
    )
    elastic: Annotated[bool, Flag()] = _option(
        False,
        "evaluate every trained model at the other ratios too, and one per mask trained with a ratio drawn for each"
        " step",
        "--elastic",
    )
    seeds: Annotated[tuple[Annotated[int, Whole(0)], ...], Several()] = _option(
        (0,), "seeds, separated by commas (default: 0)", also="seed"
    )
    data: _Path | None = _option(None, "{data} (default: the embedded set, made once)")
    dataset: Annotated[str, Read(read_dataset)] | None = _option(
        None, "what the folder holds: {datasets} (default: its files tell)"
    )
    boxes: _Path = _option("gt", "boxes to evaluate on: gt or a detection file (default: gt)")
    input_size: Annotated[tuple[_Pixels, _Pixels], Read(read_size)] | None = _option(
        None, "crop as HEIGHTxWIDTH (default: the model's own)"
    )
    device: Annotated[str, Read(read_device)] = _option("cpu", "cpu or cuda (default: cpu)")
    devices: Annotated[str, Read(read_devices)] | None = _option(
        None, "CUDA devices, one cell at a time on each: 0-7, or 0,2, or all; or cpu (default with cuda: all)"
    )
    batch_sizes: Annotated[tuple[Annotated[int, Whole(1, MOST_IMAGES)], ...], Several()] = _option(
        (1,), "batch sizes of latency and memory (default: 1)", also="batch_size"
    )
    runtimes: Annotated[tuple[Annotated[str, Read(read_runtime)], ...], Several()] = _option(
        (EAGER,), "what each cell is timed in: {runtimes} (default: eager)", "--runtime", also="runtime"
    )
    precisions: Annotated[tuple[Annotated[str, Read(check_precision)], ...], Several()] = _option(
        (FLOAT32,), "{precisions} (default: float32)", "--precision", also="precision"
    )
    epochs: Annotated[int, Whole(1, MOST_EPOCHS)] | None = _option(None, "epochs of each cell (default: the recipe's)")
    base_epochs: Annotated[int, Whole(1, MOST_EPOCHS)] | None = _option(
        None, "epochs of the shared base model (default: the recipe's)"
    )
    training: Annotated[str, Read(read_training)] | None = _option(
        None,
        "train each cell from scratch (default for the papers' models), or from one unmasked model",
        "--from-scratch/--finetune",
        words=("scratch", "finetune"),
    )
    profile_only: Annotated[bool, Flag()] = _option(
        False, "count and measure only: no training, no evaluation, and no data needed", "--profile-only"
    )
    weights: Annotated[tuple[tuple[str, str], ...], Read(read_weights)] = _option(
        (), "evaluate these weights instead of training: FILE, or NAME=FILE per model; repeatable"
    )
    backbone_weights: _Path | None = _option(None, "an ImageNet HRNet that training starts from (papers' models)")
    decoder: Annotated[str, Read(read_decoder)] | None = _option(
        None, "of ViTPose: classic or simple (default: the weights' own, else classic)"
    )
    as_published: Annotated[bool, Flag()] = _option(
        False, "switch on the reference code's own behaviours", "--as-published"
    )
    flip_test: Annotated[bool, Flag()] = _option(
        True, "average with the mirrored image (default: on)", "--flip-test/--no-flip-test"
    )
    tf32: Annotated[str, Read(read_on_off)] = _option(
        "off", "float32 on CUDA: on is TF32, off is float32 (default: off)"
    )
    amp: Annotated[bool, Flag()] = _option(False, "mixed precision in training (CUDA)", "--amp")
    deterministic: Annotated[bool, Flag()] = _option(
        False, "bit-equal training and evaluation on the same machine, or an error", "--deterministic"
    )
    latency: Annotated[bool, Flag()] = _option(True, "measure latency (default: on)", "--latency/--no-latency")
    samples: Annotated[int, Whole(1)] = _option(
        130, "timed passes of each configuration and batch size, at most (default: 130)"
    )
    processes: Annotated[int, Whole(1, MOST_PROCESSES)] = _option(
        1, "processes that share them, each timing all; from 3 on intervals hold what one has by chance (default: 1)"
    )
    energy: Annotated[bool, Flag()] = _option(
        False, "joules per image too, by NVML or RAPL: 21 s for each configuration and batch size", "--energy"
    )
    threads: Annotated[int, Whole(1, MOST_THREADS)] | None = _option(
        None, "CPU threads of each cell (default: 1 for tiny models)"
    )
    jobs: Annotated[int, Whole(1, MOST_THREADS)] | None = _option(
        None, "cells at the same time (default: cores / threads; on CUDA one on each device)"
    )
    workers: Annotated[int, Whole(0, MOST_THREADS)] = _option(0, "loader processes of each cell (default: 0)")
    margin: Annotated[float, Read(lambda value: check_margin(value, ""))] = _option(
        MARGIN, f"{MARGIN_HELP} (default: {MARGIN:g})"
    )
    executor: Annotated[str, Read(read_executor)] = _option(
        "local", "what runs the cells: {executors} (default: local)"
    )
    executor_options: Annotated[tuple[tuple[str, str], ...], Read(read_pairs)] = _option(
        (), "KEY=VALUE for the executor; repeatable (in a file: a mapping)", "--executor-option"
    )
    out: _Path | None = _option(None, "folder (default: runs/..., named after the grid)")

    def weights_of(self, model: str) -> str | None:
        """The weights file given for `model`, if any."""
        return dict(self.weights).get(model)

    @property
    def device_numbers(self) -> tuple[int, ...] | None:
        """The CUDA devices that were asked for; None: all that there are, or none on the CPU."""
        if self.devices is None:
            number = self.device.partition(":")[2]
            return (int(number),) if number else None
        return device_numbers(self.devices)


OPTIONS = {field.name: field for field in dataclasses.fields(SweepRequest)}


def parse(values: Mapping[str, Any], file: str | Path | None = None) -> SweepRequest:
    """A checked request from `values` (None means not given) over those of a YAML file.

    Lists may be lists or comma-separated text. Raises InputError naming the option (or the file and key), the value
    and what would be right.
    """
    given: dict[str, Any] = {}
    places: dict[str, str] = {}
    for key, value in (read_spec_file(file) if file is not None else {}).items():
        name = _field_name(str(key), f"{file}: ")
        if name in places:
            raise InputError(f"{file}: {key}: is given twice, once under another name; leave one out")
        places[name] = f"{file}: {key}"
        given |= {} if value is None else {name: value}
    for key, value in values.items():
        name = _field_name(key, "")
        if value is not None:
            given[name], places[name] = value, option_name(name)
    request = _on_devices(_checked(given, places), "device" in given)
    if request.budgets and "ratios" in given:
        raise InputError(f"{places['budgets']} and {places['ratios']} contradict each other; leave one out")
    if request.budgets and request.elastic:
        raise InputError(f"{places['budgets']} and --elastic contradict each other: that evaluates at --ratios")
    unnamed = [path for name, path in request.weights if not name]
    if unnamed and "models" not in given and (name := _model_of(unnamed[0])):
        request = dataclasses.replace(request, models=(name,))
    return _consistent(request)


def changed(request: SweepRequest, values: Mapping[str, Any]) -> SweepRequest:
    """The request with other values, checked as `parse` does; what is as it is by default counts as not given."""
    given = {name: value for name, value in vars(request).items() if value != OPTIONS[name].default}
    return parse(given | values)


def _checked(given: dict[str, Any], places: Mapping[str, str]) -> SweepRequest:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(SweepRequest).validate_python(given)
    except ValidationError as error:
        field, mistake = first_mistake(error)
        raise InputError(f"{places[field]}: {mistake}") from None


def _on_devices(request: SweepRequest, named: bool) -> SweepRequest:
    """`devices` decides the kind of device where that is not named."""
    if request.devices is None:
        return request
    kind = "cpu" if request.devices == "cpu" else "cuda"
    if named and request.device != kind:
        given = f"--device {request.device} and --devices {request.devices}"
        raise InputError(f"{given} contradict each other; leave one out")
    return dataclasses.replace(request, device=kind)


def _model_of(weights: str) -> str | None:
    """The model that a checkpoint of ours is of. None for another file; one that cannot be read is told by the plan."""
    from ..pose.models.weights_file import read_weights

    try:
        config = read_weights(weights).config
    except InputError:
        return None
    return read_model(config["name"]) if config else None


def read_spec_file(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; InputError where it cannot be read or holds something else. Aliases, with which a
    short file can stand for a huge one, are refused."""
    content = read_yaml(path, LARGEST_FILE)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; give keys and values such as 'mask: [semantic]'")
    return content


def option_name(field: str) -> str:
    """How the command line calls a field."""
    known = OPTIONS[field].metadata["option"]
    return known.partition("/")[0] if known else f"--{field.replace('_', '-')}"


def _field_name(key: str, where: str) -> str:
    plain = key.replace("-", "_")
    names = {name: name for name in OPTIONS} | {f.metadata["also"]: name for name, f in OPTIONS.items()}
    if plain and plain in names:
        return names[plain]
    near = difflib.get_close_matches(plain, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near and near[0] else f"known are {', '.join(OPTIONS)}"
    raise InputError(f"{where}unknown key {key!r}: {hint}")


def _consistent(request: SweepRequest) -> SweepRequest:
    """Resolve the weights of a single unnamed model and refuse combinations that contradict each other."""
    resolved = []
    for model, path in request.weights:
        if not model and len(request.models) > 1:
            raise InputError(
                f"--weights {path}: the sweep has {len(request.models)} models; give NAME=FILE for each, "
                f"such as {request.models[0]}={path}"
            )
        name = model or request.models[0]
        if name not in request.models:
            raise InputError(f"--weights {name}={path}: {name} is not in this sweep ({', '.join(request.models)})")
        other = dict(resolved).get(name, path)
        if other != path:
            raise InputError(f"--weights {name}={path}: {name} has {other} already; leave one out")
        resolved.append((name, path))
    without = [model for model in request.models if model not in dict(resolved)]
    if resolved and request.training == "scratch":
        raise InputError("--weights and --from-scratch contradict each other; leave one out")
    if request.training == "weights" and without:
        raise InputError(f"--weights is missing for {', '.join(without)}")
    if request.profile_only and (resolved or request.training or request.elastic or request.backbone_weights):
        raise InputError(
            "--profile-only neither trains nor evaluates; leave --weights, --from-scratch, --finetune, --elastic and "
            "--backbone-weights out"
        )
    if request.energy and not request.latency:
        raise InputError("--energy is measured behind the times; leave --no-latency out")
    if request.device == "cpu" and request.amp:
        raise InputError("--amp needs --device cuda; on the CPU everything runs in float32")
    find_executor(request.executor).check_options(dict(request.executor_options))
    if request.devices is not None and not find_executor(request.executor).here:
        raise InputError(f"--devices are those of this machine; leave them out with --executor {request.executor}")
    request = dataclasses.replace(request, weights=tuple(resolved))
    for check, applies in ((_check_published, request.as_published), (_check_elastic, request.elastic)):
        if applies:
            check(request)
    return request


def _check_published(request: SweepRequest) -> None:
    from ..pose.models.zoo import has_joint_blocks

    names = [reduction_config(mask).name for mask in request.masks]
    jointed = [model for model in request.models if has_joint_blocks(model)]
    for name in names:
        stands_for = find_reduction(name).published_as
        if stands_for == NONE and jointed:
            raise InputError(
                f"--as-published with --mask {name} for {jointed[0]}: in the published code that mask has no effect, "
                "so every cell would be the unmasked model; leave one out"
            )
        if stands_for in names:
            raise InputError(f"--as-published with --mask {name},{stands_for}: there they are one; leave one out")


def _check_elastic(request: SweepRequest) -> None:
    given = [name for name, _ in request.weights] if request.training is None else []
    given = list(request.models) if request.training == "weights" else given
    if given:
        raise InputError(
            f"--elastic and --weights without --finetune contradict each other ({', '.join(given)}): given weights are "
            "evaluated at every ratio already; leave --elastic out, or train"
        )
    masks = [mask for mask in map(reduction_config, request.masks) if not mask.is_none]
    if not masks or not any(request.ratios):
        raise InputError("--elastic: there is no ratio to go to; give a --mask and --ratios above 0")
    for mask in masks:
        if mask.is_fixed:
            raise InputError(
                f"--elastic with --mask {mask.text}: its parameters say how much it leaves, so that it has no other "
                "ratio; leave one out"
            )
