"""A training run's folder: what it holds, whether a run may write there, and its log."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..crops.people import pack_of
from ..crops.person import DataSplit
from ..errors import InputError
from ..files import write_atomic
from ..lock import file_lock
from .checkpoint import read_checkpoint

LAST, BEST, LOG = "last.pt", "best.pt", "log.csv"
WORLD = "world.json"
LEADING = ("epoch", "step", "learning_rate", "loss", "accuracy")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder (made if need be) against other processes; InputError where one trains in it already."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder for the training run")
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(folder / ".lock", wait=False))
        except BlockingIOError:
            raise InputError(f"{folder}: another training runs in this folder; wait, or give another one") from None
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
        yield


def open_run(folder: Path, identity: Mapping[str, Any], *, resume: bool) -> dict[str, Any] | None:
    """The checkpoint that a run of this `identity` (config, recipe, data) goes on from; None to start a new one.

    InputError if the folder holds a run and `resume` is off, or a run of another identity (names what differs).
    """
    present = [name for name in (LAST, BEST, LOG) if (folder / name).exists()]
    if not present:
        _remove_parts(folder)
        return None
    if LAST not in present:
        raise InputError(f"{folder}: holds {', '.join(present)} but no {LAST} to go on from; give another folder")
    if not resume:
        raise InputError(
            f"{folder}: holds a training run already ({', '.join(present)}); resume it or give another folder"
        )
    _remove_parts(folder)
    checkpoint = read_checkpoint(folder / LAST)
    history, epoch = checkpoint.get("history"), checkpoint["epoch"]
    rows = isinstance(history, list) and all(isinstance(row, dict) and "seconds" in row for row in history)
    if not rows or type(epoch) is not int or epoch != len(history) or type(checkpoint.get("loss_first")) is not float:
        raise InputError(f"{folder / LAST}: damaged checkpoint, without the log of its epochs; give another folder")
    there = {key: checkpoint.get(key) for key in identity}
    different = [found for found in differences(there, identity) if found[0] not in _may_differ(identity["recipe"])]
    if different:
        shown = "; ".join(f"{key} is {old!r} there and {new!r} here" for key, old, new in different[:4])
        more = f"; and {len(different) - 4} more" if len(different) > 4 else ""
        raise InputError(
            f"{folder / LAST}: is another run: {shown}{more}; resume with its settings or give another folder"
        )
    return checkpoint


def _remove_parts(folder: Path) -> None:
    """Of files that a run wrote when it was killed; the folder is locked, so that nobody writes them now."""
    for leftover in folder.glob(".*.part"):
        if leftover.name.startswith(tuple(f".{name}." for name in (LAST, BEST, LOG, WORLD))):
            leftover.unlink(missing_ok=True)


def holds_epoch(path: Path, epoch: int) -> bool:
    """Whether a checkpoint is there, readable and of that epoch."""
    try:
        return read_checkpoint(path)["epoch"] == epoch
    except InputError:
        return False


def _may_differ(recipe: Mapping[str, Any]) -> set[str]:
    """Settings that do not change the steps already done: loader processes, and the length if no rate depends on it."""
    return {"recipe.workers", "recipe.epochs"} if recipe["schedule"] == "steps" else {"recipe.workers"}


def differences(there: Any, here: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    """(dotted key, value there, value here) of every leaf in which two nested mappings differ."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        keys = [*there, *(key for key in here if key not in there)]
        found = [
            differences(there.get(key, "absent"), here.get(key, "absent"), f"{name}.{key}" if name else str(key))
            for key in keys
        ]
        return [difference for group in found for difference in group]
    if isinstance(there, list | tuple) and isinstance(here, list | tuple):
        there, here = list(there), list(here)
    return [] if there == here else [(name, there, here)]


def describe_data(data: DataSplit) -> dict[str, Any]:
    """What identifies the training people, apart from where their folder lies (it may have been moved)."""
    checksum = 0
    for person in data.people:
        for array in (person.center, person.scale, person.keypoints):
            checksum = zlib.crc32(np.ascontiguousarray(array, dtype=np.float64).tobytes(), checksum)
    identity = {"layout": data.layout, "split": data.split, "people": len(data.people), "checksum": checksum}
    pack = pack_of(data.people)
    return identity | ({"pack": pack.digest} if pack else {})


def write_log(folder: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write log.csv, one row per epoch: epoch, step, learning_rate, loss, accuracy, validation metrics, seconds.

    Written whole from the history that the checkpoint holds, so that it never disagrees with it after a resume.
    """
    metrics = {key: None for row in history for key in row if key not in LEADING and key != "seconds"}
    text = io.StringIO()
    writer = csv.DictWriter(text, [*LEADING, *metrics, "seconds"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomic(folder / LOG, text.getvalue())


def write_world_size(folder: Path, size: int) -> None:
    """Note in world.json how many processes train; a run that only ever had one has no such file."""
    if size > 1 or (folder / WORLD).exists():
        write_atomic(folder / WORLD, json.dumps({"world_size": size}) + "\n")
