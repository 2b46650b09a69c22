"""Checkpoints: one file, written whole or not at all, read without running any code that it might hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, is_shortage
from ..files import atomic_path
from ..models.weights_file import FORMAT, OLDER, VERSION, check_uncompressed
from ..schema import check_version


def save_checkpoint(path: Path, contents: Mapping[str, Any]) -> None:
    """Write `contents` (tensors and plain types), marked with format and version, to `path`.

    Expected keys: model (state dict), config (arguments of create_model), epoch (epochs done), recipe (a dict); to
    resume also optimizer, scaler and history. InputError if the file cannot be written; an older one then stays.
    """
    save_tensors(path, {"format": FORMAT, "version": VERSION, **contents})


def save_tensors(path: Path, contents: Mapping[str, Any]) -> None:
    """torch.save, whole or not at all. InputError if the file cannot be written; an older one then stays."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        try:
            torch.save(dict(contents), file)
        except RuntimeError as error:  # torch's writer hides what the system said, and that it was interrupted
            hidden: BaseException | None = error
            while hidden is not None and not isinstance(hidden, (OSError, KeyboardInterrupt)):
                hidden = hidden.__context__
            raise hidden or error from None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint, tensors on the CPU; InputError if it is missing, damaged or of another program."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint file")
    try:
        check_uncompressed(path)
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # a damaged file can fail in any part of the reader
        unreadable = "not a readable checkpoint (damaged, cut short or of another kind)"
        raise InputError(f"{path}: {'not enough memory to read it' if is_shortage(error) else unreadable}") from error
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise InputError(f"{path}: not a checkpoint that posebench wrote (a training run can only go on from its own)")
    check_version(path, "checkpoint", contents.get("version"), VERSION, then=OLDER)
    missing = [key for key in ("model", "config", "epoch", "recipe") if key not in contents]
    if missing:
        raise InputError(f"{path}: damaged checkpoint, without {', '.join(missing)}")
    if not (isinstance(contents["config"], Mapping) and isinstance(contents["recipe"], Mapping)):
        raise InputError(f"{path}: damaged checkpoint, whose config or recipe is none")
    return contents
