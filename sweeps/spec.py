"""What a sweep is asked to do: values from the command line, a YAML file or Python, checked and put in one record."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..pose.errors import InputError
from ..pose.models.architectures import MODELS
from ..pose.models.weights_file import read_weights
from ..pose.models.zoo import resolve_name
from ..pose.reductions import check_ratio, reduction_config, split_reductions
from ..reports.analysis.margin import MARGIN, check_margin

DEFAULT_SEEDS = (0,)
TRAINING = ("finetune", "scratch", "weights")


@dataclass(frozen=True)
class SweepSpec:
    """One sweep. Every combination of models, masks, ratios and seeds is a cell; the unmasked baseline is always in.

    data: a COCO or MPII folder; None means the embedded set. boxes: "gt" or a detection file.
    training: "finetune" (from one unmasked base model), "scratch" or "weights" (evaluate only); None lets each model
    decide. weights: (model, file) pairs. backbone_weights: of an HRNet that training starts from.
    epochs: of each cell; base_epochs: of the shared base model; None takes the recipe's.
    threads: per cell (None: decided by device and model); jobs: cells at the same time (None: what the cores allow).
    workers: loader processes of each cell. latency: False leaves the timing out; samples: timed passes, at most, of
    each configuration and batch size. elastic: every trained model is evaluated at every other ratio, too, and one more
    is trained for each mask with a ratio drawn anew for each step. margin: the loss of accuracy that the report calls
    negligible, as a fraction of the metric's full scale (see reports/analysis/margin.py). out: the folder of the
    results (None: named after the grid); it changes nothing in them.
    """

    models: tuple[str, ...] = ("tmpose_tiny",)
    masks: tuple[str, ...] = ("semantic",)
    ratios: tuple[float, ...] = (0.2, 0.4, 0.6)
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    data: str | None = None
    boxes: str = "gt"
    input_size: tuple[int, int] | None = None
    training: str | None = None
    weights: tuple[tuple[str, str], ...] = ()
    backbone_weights: str | None = None
    epochs: int | None = None
    base_epochs: int | None = None
    as_published: bool = False
    flip_test: bool = True
    device: str = "cpu"
    amp: bool = False
    batch_sizes: tuple[int, ...] = (1,)
    threads: int | None = None
    jobs: int | None = None
    workers: int = 0
    latency: bool = True
    samples: int = 130
    elastic: bool = False
    margin: float = MARGIN
    out: str | None = None

    def weights_of(self, model: str) -> str | None:
        """The weights file given for `model`, if any."""
        return dict(self.weights).get(model)


def parse(values: Mapping[str, Any], spec_file: str | Path | None = None) -> SweepSpec:
    """A checked SweepSpec from `values` (None means not given) over those of a YAML file.

    Lists may be lists or comma-separated text. Raises InputError naming the option (or the file and key), the value
    and what would be right.
    """
    fields: dict[str, Any] = {}
    if spec_file is not None:
        for key, value in read_spec_file(spec_file).items():
            name = _field_name(str(key), f"{spec_file}: ")
            if name in fields:
                raise InputError(f"{spec_file}: {key}: is given twice, once under another name; leave one out")
            if value is not None:
                fields[name] = PARSERS[name](value, f"{spec_file}: {key}")
    for key, value in values.items():
        name = _field_name(key, "")
        if value is not None:
            fields[name] = PARSERS[name](value, option_name(name))
    unnamed = [path for name, path in fields.get("weights", ()) if not name]
    if unnamed and "models" not in fields and (name := _model_of(unnamed[0])):
        fields["models"] = (name,)
    return _consistent(SweepSpec(**fields))


def _model_of(weights: str) -> str | None:
    """The model that a checkpoint of ours is of. None for another file; one that cannot be read is told by the plan."""
    try:
        config = read_weights(weights).config
    except InputError:
        return None
    return resolve_name(config["name"]) if config else None


def read_spec_file(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; InputError where it cannot be read or holds something else."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); give an existing YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not valid YAML ({reason})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; give keys and values such as 'mask: [semantic]'")
    return content


def option_name(field: str) -> str:
    """How the command line calls a field of SweepSpec."""
    return "--" + {"models": "model", "masks": "mask"}.get(field, field).replace("_", "-")


def _field_name(key: str, where: str) -> str:
    plain = key.replace("-", "_")
    name = {"model": "models", "mask": "masks", "ratio": "ratios", "seed": "seeds", "batch_size": "batch_sizes"}.get(
        plain, plain
    )
    if name in PARSERS:
        return name
    near = difflib.get_close_matches(plain, [*PARSERS, "model", "mask"], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(PARSERS)}"
    raise InputError(f"{where}unknown key {key!r}: {hint}")


def _consistent(spec: SweepSpec) -> SweepSpec:
    """Resolve the weights of a single unnamed model and refuse combinations that contradict each other."""
    resolved = []
    for model, path in spec.weights:
        if not model and len(spec.models) > 1:
            raise InputError(
                f"--weights {path}: the sweep has {len(spec.models)} models; give NAME=FILE for each, "
                f"such as {spec.models[0]}={path}"
            )
        name = model or spec.models[0]
        if name not in spec.models:
            raise InputError(f"--weights {name}={path}: {name} is not in this sweep ({', '.join(spec.models)})")
        resolved.append((name, path))
    without = [model for model in spec.models if model not in dict(resolved)]
    if resolved and spec.training == "scratch":
        raise InputError("--weights and --from-scratch contradict each other; leave one out")
    if spec.training == "weights" and without:
        raise InputError(f"--weights is missing for {', '.join(without)}")
    sparse = [model for model in spec.models if MODELS[model].joint_blocks]
    if spec.as_published and sparse and "sparse" in spec.masks:
        raise InputError(
            f"--as-published with --mask sparse for {sparse[0]}: in the published code that mask has no effect, so "
            "every cell would be the unmasked model; leave one out"
        )
    if spec.as_published and {"block", "first"} <= set(spec.masks):
        raise InputError("--as-published with --mask block,first: there block means the first tokens; leave one out")
    if spec.device == "cpu" and spec.amp:
        raise InputError("--amp needs --device cuda; on the CPU everything runs in float32")
    spec = dataclasses.replace(spec, weights=tuple(resolved))
    if spec.elastic:
        _check_elastic(spec)
    return spec


def _check_elastic(spec: SweepSpec) -> None:
    given = spec.models if spec.training == "weights" else [] if spec.training else [name for name, _ in spec.weights]
    if given:
        raise InputError(
            f"--elastic and --weights without --finetune contradict each other ({', '.join(given)}): given weights are "
            "evaluated at every ratio already; leave --elastic out, or train"
        )
    if set(spec.masks) <= {"none"} or not any(spec.ratios):
        raise InputError("--elastic: there is no ratio to go to; give a --mask and --ratios above 0")


def _items(value: Any) -> list[Any]:
    """The elements of a list, of comma-separated text, or of a single value; commas in parentheses part nothing."""
    if isinstance(value, str):
        return split_reductions(value)
    return list(value) if isinstance(value, (list, tuple, set, range)) else [value]


def _tuple_of(parse_one: Callable[[Any, str], Any]) -> Callable[[Any, str], tuple]:
    def parse_all(value: Any, where: str) -> tuple:
        items = _items(value)
        if not items or items == [""]:
            raise InputError(f"{where}: is empty; give one or more values, separated by commas")
        return tuple(dict.fromkeys(parse_one(item, where) for item in items))

    return parse_all


def _model(value: Any, where: str) -> str:
    return _named(resolve_name, value, where)


def _mask(value: Any, where: str) -> str:
    return _named(lambda text: reduction_config(str(text)).text, value, where)


def _ratio(value: Any, where: str) -> float:
    if isinstance(value, bool):
        raise InputError(f"{where}: mask ratio {value!r}: give a number from 0 to below 1, such as 0.4")
    return _named(check_ratio, value, where) + 0.0  # -0.0 is the baseline, too


def _named(check: Callable[[Any], Any], value: Any, where: str) -> Any:
    try:
        return check(value)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _integer(lowest: int) -> Callable[[Any, str], int]:
    def parse_one(value: Any, where: str) -> int:
        number = value
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value.strip()):
            number = int(value)
        if isinstance(number, float) and math.isfinite(number) and number == int(number):
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int) or not lowest <= number < 2**31:
            raise InputError(f"{where}: {value!r} is not a whole number from {lowest} on")
        return number

    return parse_one


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{where}: {value!r} is neither true nor false")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, (str, Path)) or not str(value).strip():
        raise InputError(f"{where}: {value!r} is not a path")
    return str(value)


def _device(value: Any, where: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"cpu|cuda(:\d+)?", value):
        raise InputError(f"{where}: {value!r} is not a device; give cpu or cuda")
    return value


def _training(value: Any, where: str) -> str:
    if value not in TRAINING:
        raise InputError(f"{where}: {value!r} is not a way of training; give one of {', '.join(TRAINING)}")
    return value


def _input_size(value: Any, where: str) -> tuple[int, int]:
    parts = re.split("[x,]", value.strip()) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise InputError(f"{where}: {value!r} is not a size; give HEIGHTxWIDTH in pixels, such as 256x192")
    height, width = (_integer(1)(part, where) for part in parts)
    return height, width


def _weights(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    """`NAME=FILE` or `FILE` (alone or in a list), or a mapping from name to file. A name is checked like a model's."""
    if isinstance(value, Mapping):
        return tuple((_model(name, where), _text(path, where)) for name, path in value.items())
    pairs = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(item, tuple):
            pairs.append((_model(item[0], where), _text(item[1], where)))
            continue
        name, equals, path = _text(item, where).partition("=")
        known = equals and "/" not in name and not Path(str(item)).exists()
        pairs.append((_model(name, where), _text(path, where)) if known else ("", str(item)))
    return tuple(pairs)


PARSERS: dict[str, Callable[[Any, str], Any]] = {
    "models": _tuple_of(_model),
    "masks": _tuple_of(_mask),
    "ratios": _tuple_of(_ratio),
    "seeds": _tuple_of(_integer(0)),
    "data": _text,
    "boxes": _text,
    "input_size": _input_size,
    "training": _training,
    "weights": _weights,
    "backbone_weights": _text,
    "epochs": _integer(1),
    "base_epochs": _integer(1),
    "as_published": _flag,
    "flip_test": _flag,
    "device": _device,
    "amp": _flag,
    "batch_sizes": _tuple_of(_integer(1)),
    "threads": _integer(1),
    "jobs": _integer(1),
    "workers": _integer(0),
    "latency": _flag,
    "samples": _integer(1),
    "elastic": _flag,
    "margin": check_margin,
    "out": _text,
}
