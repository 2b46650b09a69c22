"""The device to measure on, checked before anything is built; number formats by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import overload

import torch

from ...pose.errors import InputError
from .determinism import set_deterministic
from .precision import set_tf32

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_device(device: str | torch.device) -> torch.device:
    """The torch device of "cpu", "cuda" or "cuda:N"; InputError when it is unknown or this machine has none such."""
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise InputError(f"device {str(device)!r}: give cpu, cuda or cuda:N")
    if found.type == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        built = "" if torch.version.cuda or torch.version.hip else f" (torch {torch.__version__} is built without CUDA)"
        raise InputError(f"device {str(device)!r}: no CUDA device is usable here{built}; use --device cpu")
    count = torch.cuda.device_count()
    index = torch.cuda.current_device() if found.index is None else found.index
    if index >= count:
        raise InputError(f"device {str(device)!r}: this machine has {count} CUDA device(s), cuda:0 to cuda:{count - 1}")
    return torch.device("cuda", index)


def use_device(device: str | torch.device, *, tf32: bool = False, deterministic: bool = False) -> torch.device:
    """check_device, and the entry to all that runs on it: the current CUDA device is the one that is meant, also for
    what asks no tensor (streams, events, the allocator), and float32 is float32, or with `tf32` TF32 throughout.
    deterministic: see set_deterministic."""
    if deterministic:
        set_deterministic()
    found = check_device(device)
    if found.type == "cuda":
        torch.cuda.set_device(found)
        set_tf32(tf32)
    return found


@overload
def check_count(name: str, value: int) -> int: ...
@overload
def check_count(name: str, value: int | None) -> int | None: ...
def check_count(name: str, value: int | None) -> int | None:
    """`value` as an int of at least 1, or None; InputError otherwise."""
    if value is None:
        return None
    if isinstance(value, bool) or int(value) != value or not 1 <= value < 2**31:
        raise InputError(f"{name} {value!r}: give a whole number of at least 1 (and below 2^31)")
    return int(value)


def check_room(batch_size: int, numbers: int) -> None:
    """InputError where a batch of examples of so many float32 numbers is more than the memory that is free: where the
    system lends more than it has, the process would be killed instead."""
    import psutil

    needed, free = batch_size * numbers * 4, psutil.virtual_memory().available
    if needed > free:
        gib = 2**30
        raise InputError(
            f"batch size {batch_size}: the inputs alone take {needed / gib:.1f} GiB, and {free / gib:.1f} GiB are free"
        )


@contextlib.contextmanager
def torch_threads(count: int | None) -> Iterator[int]:
    """Inside, torch has so many CPU threads (None: as it has); how many."""
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
