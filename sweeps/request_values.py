"""Single values of a sweep's request, as a command line or a YAML file gives them; InputError says what would be right.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..benchmark.runtimes.registry import find_runtime
from ..pose.datasets import find_dataset
from ..pose.errors import InputError
from ..pose.reductions import check_ratio, reduction_config
from .executors import find_executor

LONGEST_NAME = 255  # bytes, of a file


def read_model(value: Any) -> str:
    from ..pose.models.zoo import resolve_name

    return resolve_name(str(value))


def read_mask(value: Any) -> str:
    return reduction_config(str(value)).text


def read_runtime(value: Any) -> str:
    find_runtime(str(value))
    return str(value)


def read_dataset(value: Any) -> str:
    return find_dataset(str(value)).name


def read_ratio(value: Any) -> float:
    if isinstance(value, bool):
        raise InputError(f"mask ratio {value!r}: give a number from 0 to below 1, such as 0.4")
    return check_ratio(value) + 0.0  # -0.0 is the baseline, too


def read_budget(value: Any) -> float:
    """GFLOPsT of "gflops_t:0.021" or 0.021."""
    number = str(value).strip().removeprefix("gflops_t:")
    try:
        budget = math.nan if isinstance(value, bool) else float(number)
    except ValueError:
        budget = math.nan
    if not 0 < budget < math.inf:
        raise InputError(f"{value!r} is not a budget; give gflops_t: and 1e9 multiply-adds, such as gflops_t:0.021")
    return budget


def read_path(value: Any) -> str:
    text = str(value) if isinstance(value, (str, Path)) else ""
    if not text.strip() or "\0" in text or max(map(len, os.fsencode(text).split(b"/"))) > LONGEST_NAME:
        raise InputError(f"{value!r} is not a path")
    return text


def read_device(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"cpu|cuda(:\d{1,3})?", value):
        raise InputError(f"{value!r} is not a device; give cpu or cuda")
    return value


def read_on_off(value: Any) -> str:
    named = ("on" if value else "off") if isinstance(value, bool) else value  # YAML's on is true
    if named not in ("on", "off"):
        raise InputError(f"{value!r} is not a setting; give on or off")
    return str(named)


def read_devices(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    text = text.replace(" ", "")
    if isinstance(value, bool) or not re.fullmatch(r"all|cpu|\d{1,3}(-\d{1,3})?(,\d{1,3}(-\d{1,3})?)*", text):
        raise InputError(f"{value!r} names no devices; give numbers such as 0-7 or 0,2, or all, or cpu")
    numbers = device_numbers(text) or ()
    if text not in ("all", "cpu") and (not numbers or len(set(numbers)) < len(numbers)):
        raise InputError(f"{value!r} names a device twice, or none; give each once, such as 0-7 or 0,2")
    return text


def device_numbers(devices: str) -> tuple[int, ...] | None:
    """Of "0,4-6" these are 0, 4, 5 and 6; None for "all" and "cpu"."""
    if devices in ("all", "cpu"):
        return None
    ends = [part.partition("-") for part in devices.split(",")]
    return tuple(number for first, _, last in ends for number in range(int(first), int(last or first) + 1))


def read_executor(value: Any) -> str:
    find_executor(str(value))
    return str(value)


def read_pairs(value: Any) -> list[tuple[str, str]]:
    """`KEY=VALUE`, one or several, or a mapping."""
    if isinstance(value, Mapping):
        value = [f"{name}={'' if text is None else text}" for name, text in value.items()]
    pairs = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        name, equals, text = ("=".join(item) if isinstance(item, tuple) else str(item)).partition("=")
        if not equals or not name.strip() or not text.strip():
            raise InputError(f"{item!r} is not an option of an executor; give KEY=VALUE, such as gpus=1")
        option, text = name.strip().replace("-", "_"), text.strip()
        if dict(pairs).get(option, text) != text:
            raise InputError(f"{option} is given as {dict(pairs)[option]} and as {text}; leave one out")
        pairs.append((option, text))
    return pairs


def read_training(value: Any) -> str:
    known = ("finetune", "scratch", "weights")
    if value not in known:
        raise InputError(f"{value!r} is not a way of training; give one of {', '.join(known)}")
    return value


def read_decoder(value: Any) -> str:
    known = ("classic", "simple")
    if value not in known:
        raise InputError(f"{value!r} is not a decoder; give one of {', '.join(known)}")
    return value


def read_size(value: Any) -> list[Any]:
    parts = re.split("[x,]", value.strip()) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise InputError(f"{value!r} is not a size; give HEIGHTxWIDTH in pixels, such as 256x192")
    return list(parts)


def read_weights(value: Any) -> list[tuple[str, str]]:
    """`NAME=FILE` or `FILE` (alone or in a list), or a mapping from name to file. A name is checked like a model's."""
    if isinstance(value, Mapping):
        return [(read_model(name), read_path(path)) for name, path in value.items()]
    pairs = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(item, tuple):
            pairs.append((item[0] and read_model(item[0]), read_path(item[1])))
            continue
        name, equals, path = read_path(item).partition("=")
        known = equals and "/" not in name and not Path(str(item)).exists()
        pairs.append((read_model(name), read_path(path)) if known else ("", str(item)))
    return pairs
