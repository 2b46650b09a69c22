"""torch.export's .pt2 files. Loading one may execute code: what could is refused before torch sees it."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...pose.errors import InputError, first_line
from ..runtimes.exporter import check_exporter
from .artifact import Describe, Step, sizes

METADATA = "metadata.json"
#: entries that torch.export.save writes, below the archive's root
_ENTRIES = re.compile(
    r"models/model\.json|data/weights/(weight_\d+|model_weights_config\.json)|extra/metadata\.json"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)|data/sample_inputs/model\.pt"
    r"|archive_format|archive_version|byteorder|\.data/(version|serialization_id)|\.format_version|\.storage_alignment"
)
_TARGETS = re.compile(r"torch\.ops\.aten\.\w+(\.\w+)?|_operator\.\w+|math\.\w+|torch\.sym_\w+")
#: sizes as sympy writes them; torch evaluates the text
_WORDS = "Symbol|Integer|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|positive|integer|nonnegative|True|False"
_EXPRESSION = re.compile(rf"(?:'[su]\d+'|\b(?:{_WORDS}|[su]\d+|\d+)\b|[+*/() ,<>=-])*")


class TorchArtifact:
    """A .pt2 program, run by torch."""

    def __init__(self, path: Path, program: Any, known: Mapping[str, str]):
        self.path, self.known, self.program = path, known, program
        self.module = program.module()
        placed = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
        signature = program.graph_signature
        self.input_shape = sizes(placed[signature.user_inputs[0]].shape)
        self.output_shape = sizes(placed[signature.user_outputs[0]].shape)
        self.fallbacks: tuple[str, ...] = ()

    def run(self, images: np.ndarray) -> np.ndarray:
        try:
            with torch.no_grad():
                return self.module(torch.from_numpy(images)).numpy()
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"{self.path}: torch cannot run it ({first_line(error)})") from None

    def values(self, images: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        recorder = _Recorder(self.module, set(names))
        with torch.no_grad():
            recorder.run(torch.from_numpy(images))
        return recorder.values

    def steps(self) -> Iterator[Step]:
        for node in self.module.graph.nodes:
            inside = _modules(node)
            if inside:
                used = tuple(() if user.op == "output" else _modules(user) for user in node.users)
                yield Step(node.name, inside, used)


class _Recorder(torch.fx.Interpreter):
    def __init__(self, module: torch.fx.GraphModule, names: set[str]):
        super().__init__(module)
        self.names = names
        self.values: dict[str, np.ndarray] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.names and isinstance(value, torch.Tensor):
            self.values[n.name] = value.numpy().copy()
        return value


def write(program: Any, path: Path, known: Mapping[str, str], describe: Describe) -> None:
    """Write a torch.export program."""
    all_known = {**known, **describe(TorchArtifact(path, program, known))}
    content = io.BytesIO()  # torch's writer ends the process where the disk is full
    torch.export.save(program, content, extra_files={METADATA: json.dumps(all_known)})
    path.write_bytes(content.getbuffer())


def read(path: Path, threads: int | None = None) -> TorchArtifact:
    """Open a file. InputError for what is no .pt2, is cut, or holds more than a program of torch's own operators."""
    check_exporter()
    content = path.read_bytes()
    try:
        _check_archive(path, content)
        extra = {METADATA: ""}
        program = torch.export.load(io.BytesIO(content), extra_files=extra)
        known = json.loads(extra[METADATA] or "{}")
        return TorchArtifact(path, program, known if isinstance(known, dict) else {})
    except InputError:
        raise
    except Exception as error:  # torch's deserialiser raises whatever its parts raise
        raise InputError(f"{path}: is no .pt2 file of torch.export, or a cut one ({first_line(error)})") from None


def _check_archive(path: Path, content: bytes) -> None:
    """InputError for entries that torch would unpickle or run, and for programs with other than torch's operators."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        root = names[0].split("/")[0] + "/" if names else ""
        if len(set(names)) != len(names) or sum(entry.file_size for entry in archive.infolist()) > 2 * len(content):
            raise InputError(f"{path}: its entries are repeated, or blown up: not opened")
        entries = {name.removeprefix(root): name for name in names}
        for entry, name in entries.items():
            if not name.startswith(root) or not _ENTRIES.fullmatch(entry):
                raise InputError(f"{path}: holds {name!r}, which torch.export.save does not write here: not opened")
        torch.load(io.BytesIO(archive.read(entries["data/sample_inputs/model.pt"])), weights_only=True)
        for part in ("weights", "constants"):
            config = json.loads(archive.read(entries[f"data/{part}/model_{part}_config.json"]))
            for payload in config["config"].values():
                if payload["use_pickle"] or not re.fullmatch(r"(weight|tensor)_\d+", payload["path_name"]):
                    raise InputError(f"{path}: its {part} are pickled, which could run code: not opened")
        for key, value in _strings(json.loads(archive.read(entries["models/model.json"]))):
            if key == "target" and value and not _TARGETS.fullmatch(value):
                raise InputError(f"{path}: calls {value!r}, no operator of torch's own: not opened")
            if key == "expr_str" and not _EXPRESSION.fullmatch(value):
                raise InputError(f"{path}: holds the expression {value[:40]!r}: not opened")


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, with the key that it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)


def _modules(node: torch.fx.Node) -> tuple[str, ...]:
    stack = node.meta.get("nn_module_stack") or {}
    return tuple(path.split("@")[0] for path, _ in stack.values())
