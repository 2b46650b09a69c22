"""Weights files as people have them: state dicts bare or wrapped, PyTorch's or safetensors, and our own checkpoints."""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError, is_shortage
from ..schema import check_version
from .config import current_arguments

#: the weights in a folder of Hugging Face's
HUGGING_FACE = ("model.safetensors", "pytorch_model.bin")
#: what marks a checkpoint of ours
FORMAT, VERSION = "posebench", 1
OLDER = "train anew, or load it with the posebench that wrote it"
MADE_WITH = {"name", "dataset", "input_size", "mask", "mask_ratio"}

WRAPPERS = ("state_dict", "best_state_dict", "model_state_dict", "model")
DEPTH = 3  # wrappers in wrappers
PREFIXES = ("module.", "model.")  # of DataParallel, and of Lightning
COMPILED = re.compile(r"(?<![^.])_orig_mod\.")  # of torch.compile, on a part or on the whole
ROOTS = ("backbone", "transformer", "features", "pre_feature")  # what our names and the papers' begin with

# Data only, and often saved beside weights: options, and scores as NumPy's numbers (under the names of NumPy 1 and 2).
_SCALAR = np.float64(0).__reduce__()[0]
PLAIN = [
    argparse.Namespace,
    pathlib.PosixPath,
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")),
    *((_SCALAR, f"numpy.{module}.multiarray.scalar") for module in ("core", "_core")),
]


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file, or a mapping, holds.

    name: what messages call it. tensors: by name, without what wrappers put before it; names: the file's own name of
    each. checkpoint: everything in a checkpoint of ours (see save_checkpoint); empty for any other file.
    """

    name: str
    tensors: dict[str, torch.Tensor]
    names: dict[str, str]
    checkpoint: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any] | None:
        """The arguments of create_model that the model was trained with; None where the file does not say."""
        stored = self.checkpoint.get("config")
        return None if stored is None else current_arguments(stored)

    @property
    def drawn_ratios(self) -> tuple[float, ...]:
        """The mask ratios that each step of training drew one of; empty where it kept to its own."""
        return tuple(self.checkpoint.get("recipe", {}).get("mask_ratios") or ())


def read_weights(source: str | os.PathLike[str] | Mapping | WeightsFile) -> WeightsFile:
    """Read a file (torch.save's or safetensors) or Hugging Face's folder, or take a mapping; no code that it might hold
    is run.

    Wrappers (`state_dict`, `model_state_dict`, `model`, ...) and what they put before names (`module.`, `model.`,
    `_orig_mod.`, anything else that all names share) are taken off.

    Raises:
        InputError: the file is absent, damaged, holds objects that could run code, or no state dict.
    """
    if isinstance(source, WeightsFile):
        return source
    if isinstance(source, Mapping):
        name, content = "the given state dict", source
    else:
        name, content = str(source), _read_file(Path(source))
    checkpoint = _checkpoint(name, content)
    state = _unwrap(name, content)
    names = _plain_names(name, state)
    return WeightsFile(name, {plain: state[given] for plain, given in names.items()}, names, checkpoint)


def _read_file(path: Path) -> object:
    if path.is_dir():
        path = next((path / name for name in HUGGING_FACE if (path / name).is_file()), path)
    if path.is_dir():
        inside = next((path / name for name in ("best.pt", "last.pt") if (path / name).is_file()), None)
        raise InputError(f"{path}: is a folder; give a weights file{f', such as {inside}' if inside else ''}")
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    try:
        with open(path, "rb") as file:
            is_safetensors = path.suffix == ".safetensors" or file.read(9)[8:] == b"{"
        if is_safetensors:
            from safetensors.torch import load_file

            return load_file(path)
        check_uncompressed(path)
        with torch.serialization.safe_globals(PLAIN):
            return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch raises many kinds for damaged or unsafe files
        raise InputError(f"{path}: {_reason(error)}") from None


def check_uncompressed(path: Path) -> None:
    """InputError for a compressed archive."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise InputError(f"{path}: is compressed, which torch.save never does: it may stand for any size")


def _reason(error: Exception) -> str:
    """torch's own messages are long, coloured, and advise to load whatever code the file holds."""
    if is_shortage(error):
        return "not enough memory to read it"
    if isinstance(error, ImportError):
        return "is a safetensors file, and the package to read it is missing: pip install safetensors"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    if "TorchScript" in str(error):
        return "is a TorchScript program; give its state dict, saved with torch.save(module.state_dict(), FILE)"
    if refused := re.search(r"GLOBAL ([\w.]+)|<class '([\w.]+)'>", str(error)):
        return (
            f"holds an object of {refused[1] or refused[2]} beside tensors, and to load it could run code; save the "
            "state dict alone, with torch.save(model.state_dict(), FILE) where that class is known"
        )
    return "not a readable weights file: damaged, cut short, or written by neither torch.save nor safetensors"


def _checkpoint(name: str, content: object) -> Mapping[str, Any]:
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        return {}
    check_version(name, "checkpoint", content.get("version"), VERSION, then=OLDER)
    config, recipe = content.get("config"), content.get("recipe")
    whole = isinstance(config, Mapping) and isinstance(recipe, Mapping) and config.keys() >= MADE_WITH
    if not whole or not isinstance(config["name"], str):
        raise InputError(f"{name}: damaged checkpoint: it does not say which model it is of, and how it was trained")
    return content


def _unwrap(name: str, content: object) -> Mapping[str, torch.Tensor]:
    for _ in range(DEPTH):
        if isinstance(content, Mapping):
            content = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
    if isinstance(content, Mapping) and not _is_state(content):
        inside = [key for key, value in content.items() if isinstance(value, Mapping) and _is_state(value)]
        if len(inside) > 1:
            raise InputError(f"{name}: holds several state dicts ({', '.join(map(repr, inside))}); save one alone")
        content = content[inside[0]] if inside else content
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{name}: holds no state dict (a mapping from names to tensors)")
    if not _is_state(content):
        bad = next(key for key, value in content.items() if not (isinstance(key, str) and torch.is_tensor(value)))
        raise InputError(f"{name}: entry {bad!r} is no tensor, so this is not a state dict")
    check_plain(name, content)
    return content


def check_plain(name: str, state: Mapping[str, torch.Tensor]) -> None:
    """InputError naming the first tensor of a file that holds no plain real numbers: a sparse, quantised, complex or
    meta one."""
    for key, tensor in state.items():
        if tensor.is_meta or tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            kind = "meta" if tensor.is_meta else tensor.layout if tensor.layout != torch.strided else tensor.dtype
            said = str(kind).removeprefix("torch.")
            raise InputError(f"{name}: {printable(key)} is a tensor of kind {said}; give plain ones of real numbers")


def _is_state(content: Mapping) -> bool:
    return bool(content) and all(isinstance(k, str) and torch.is_tensor(value) for k, value in content.items())


def _plain_names(name: str, state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """For each name without what wrappers put before it, the file's own name."""
    plain = {given: _without_wrappers(given) for given in state}
    while len(first := {text.partition(".")[0] for text in plain.values()}) == 1 and first.isdisjoint(ROOTS):
        if not all("." in text for text in plain.values()):
            break
        plain = {given: text.partition(".")[2] for given, text in plain.items()}
    given_of = defaultdict(list)
    for given, text in plain.items():
        given_of[text].append(given)
    if twice := next((given for given in given_of.values() if len(given) > 1), None):
        raise InputError(f"{name}: holds one entry twice, as {printable(twice[0])} and as {printable(twice[1])}")
    return {text: given[0] for text, given in given_of.items()}


def _without_wrappers(name: str) -> str:
    name = COMPILED.sub("", name)
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def printable(name: str) -> str:
    """A name of a file's, safe to write on a terminal."""
    return name if name.isprintable() else ascii(name)
