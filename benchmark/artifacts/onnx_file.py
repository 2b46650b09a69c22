"""ONNX files: written by torch's exporter, run by ONNX Runtime on the CPU."""

from __future__ import annotations

import ast
import os
import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...pose.errors import InputError, first_line
from ..runtimes.onnx_file import LARGEST
from ..runtimes.onnx_session import CPU, open_session
from .artifact import Describe, Step, sizes

_SCOPES = "pkg.torch.onnx.name_scopes"
_forms: weakref.WeakKeyDictionary[Any, bytes] = weakref.WeakKeyDictionary()


class OnnxArtifact:
    """An ONNX file in a session of ONNX Runtime."""

    def __init__(self, path: Path, proto: Any, threads: int | None):
        self.path, self.proto, self.threads = path, proto, threads
        self.known: Mapping[str, str] = {one.key: one.value for one in proto.metadata_props}
        self.session = open_session(path, threads, log_errors=False)  # a broken file is told in a line of ours
        self.input = self.session.get_inputs()[0]
        self.input_shape = sizes(self.input.shape)
        self.output_shape = sizes(self.session.get_outputs()[0].shape)
        providers = self.session.get_providers()
        self.fallbacks = tuple(name for name in providers if name != CPU)

    def run(self, images: np.ndarray) -> np.ndarray:
        return _runs(self.path, self.session, None, {self.input.name: images})[0]

    def values(self, images: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """From a copy of the graph with these values as outputs. What is fused behind them then is not fused."""
        import onnx

        there = {output for node in self.proto.graph.node for output in node.output}
        wanted = [name for name in dict.fromkeys(names) if name in there]
        graph = onnx.ModelProto()
        graph.CopyFrom(self.proto)
        already = {output.name for output in graph.graph.output}
        for name in wanted:
            if name not in already:
                graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        onnx.load_external_data_for_model(graph, str(self.path.parent))
        session = open_session(graph.SerializeToString(), self.threads, log_errors=False)
        return dict(zip(wanted, _runs(self.path, session, wanted, {self.input.name: images}), strict=True))

    def steps(self) -> Iterator[Step]:
        graph = self.proto.graph
        modules = [_modules(node) for node in graph.node]
        used: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
        for node, inside in zip(graph.node, modules, strict=True):
            for name in node.input:
                used[name].append(inside)
        for output in graph.output:
            used[output.name].append(())
        for node, inside in zip(graph.node, modules, strict=True):
            if inside:
                for name in node.output:
                    yield Step(name, inside, tuple(used[name]))


def write(program: Any, path: Path, known: Mapping[str, str], describe: Describe) -> None:
    """Write a torch.export program. InputError where it is too large for one file, or has no ONNX form."""
    path.write_bytes(_form(program))
    artifact = read(path)
    _finish(artifact.proto, {**known, **describe(artifact)})
    path.write_bytes(artifact.proto.SerializeToString())


def _form(program: Any) -> bytes:
    """The program's ONNX form, found once for all runtimes that start from it."""
    if program not in _forms:
        weights = sum(value.numel() * value.element_size() for value in program.state_dict.values())
        if weights > LARGEST:
            raise InputError(f"the model has {weights / 1e9:.1f} GB of weights: one ONNX file holds 2 GB")
        names: dict[str, Any] = {"input_names": ["images"], "output_names": ["heatmaps"]}
        try:
            exported: Any = torch.onnx.export(program, dynamo=True, verbose=False, **names)
        except torch.onnx.OnnxExporterError as error:
            raise InputError(f"no ONNX form: {first_line(error.__cause__ or error)}") from None
        _forms[program] = exported.model_proto.SerializeToString()
    return _forms[program]


def _finish(proto: Any, known: Mapping[str, str]) -> None:
    """Metadata in, and out what the exporter left of the machine that it ran on: source lines, paths."""
    import onnx

    onnx.helper.set_model_props(proto, dict(known))
    for message in [*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.initializer]:
        scopes = [(one.key, one.value) for one in message.metadata_props if one.key == _SCOPES]
        del message.metadata_props[:]
        for key, value in scopes:
            message.metadata_props.add(key=key, value=value)


def read(path: Path, threads: int | None = None) -> OnnxArtifact:
    """Open a file. InputError for what is no ONNX model, is cut, or keeps data outside its own folder."""
    import onnx

    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: {path.stat().st_size / 1e9:.1f} GB is no ONNX model: one file holds 2 GB")
    try:
        proto = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, of several classes
        raise InputError(f"{path}: is no ONNX model, or a cut one ({first_line(error)})") from None
    if not proto.graph.node or len(proto.graph.output) != 1:
        raise InputError(f"{path}: is no ONNX model of one output, or a cut one")
    for tensor in _tensors(proto):
        _check_place(path, tensor)
    try:
        return OnnxArtifact(path, proto, threads)
    except InputError:
        raise
    except Exception as error:  # ONNX Runtime's own, of a dozen classes
        raise InputError(f"{path}: ONNX Runtime cannot open it ({first_line(error)})") from None


def _runs(path: Path, session: Any, names: list[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    try:
        return session.run(names, feeds)
    except Exception as error:
        raise InputError(f"{path}: ONNX Runtime cannot run it ({first_line(error)})") from None


def _modules(node: Any) -> tuple[str, ...]:
    """Paths of the modules that a node of torch's exporter was in, the outermost first; the last name is its own."""
    text = next((one.value for one in node.metadata_props if one.key == _SCOPES), None)
    return tuple(ast.literal_eval(text)[:-1]) if text else ()


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor in a model, wherever it is kept: initialisers, attributes, functions, graphs inside."""
    import onnx

    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(part)


def _check_place(path: Path, tensor: Any) -> None:
    """InputError unless the tensor's data is in the file, or in one of the same folder."""
    import onnx

    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return
    location = next((one.value for one in tensor.external_data if one.key == "location"), "")
    folder = os.path.realpath(path.parent)
    place = os.path.realpath(os.path.join(folder, location))
    if not location or os.path.isabs(location) or os.path.commonpath([folder, place]) != folder:
        raise InputError(f"{path}: keeps data of {tensor.name!r} at {location!r}, outside its folder: not opened")
    if not os.path.isfile(place):
        raise InputError(f"{path}: its data file {location} is missing")
