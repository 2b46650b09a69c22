"""A module as an ONNX file for the runtimes that read one, written once per module for all batch sizes."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...pose.errors import InputError, first_line
from .exporter import check_exporter
from .onnx_session import BATCH, open_session, said
from .prepared import Inputs

LARGEST = 2**31 - 2**20  # one protobuf file


class Written(nn.Module):
    """Stands for a module whose files lie in a folder already, in another process."""

    def __init__(self, folder: str):
        super().__init__()
        self.folder = folder


def written(module: nn.Module) -> nn.Module:
    """What stands for a module in another process, as long as this one keeps it; itself where it has no file."""
    return Written(_folders[module].name) if module in _folders else module


_folders: weakref.WeakKeyDictionary[nn.Module, tempfile.TemporaryDirectory[str]] = weakref.WeakKeyDictionary()


def onnx_file(
    module: nn.Module, inputs: Inputs, name: str = "model", change: Callable[[Path, Path], None] | None = None
) -> Path:
    """The file of a module, whose inputs are input_0, input_1, ... with any size of their first axis, `batch`.

    name, change: instead the file that change(source, target) makes of it, known by this name. Files are kept as long
    as the module. InputError where the module has no ONNX form, or is too large for one file.
    """
    if isinstance(module, Written):
        return Path(module.folder) / f"{name}.onnx"
    if module not in _folders:
        _folders[module] = tempfile.TemporaryDirectory(prefix="posebench-onnx-")
    path = Path(_folders[module].name) / f"{name}.onnx"
    if not path.is_file():
        partial = path.with_name(f"{name}.partial.onnx")
        if change is None:
            _write(module, inputs, partial)
        else:
            change(onnx_file(module, inputs), partial)
        partial.replace(path)
    return path


def _write(module: nn.Module, inputs: Inputs, path: Path) -> None:
    name = type(module).__name__
    weights = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    if weights > LARGEST:
        raise InputError(f"{name} has {weights / 1e9:.1f} GB of weights: one ONNX file holds 2 GB")
    check_exporter()
    # An example of one sample would fix the size of a batch.
    example = tuple(torch.cat((tensor[:1], tensor[:1])) for tensor in inputs)
    batch = torch.export.Dim(BATCH)
    try:
        with torch.no_grad(), quiet():
            program = torch.onnx.export(
                module, example, dynamo=True, verbose=False, dynamic_shapes=tuple({0: batch} for _ in example),
                input_names=[f"input_{number}" for number in range(len(example))], output_names=["output"],
            )  # fmt: skip
            assert program is not None
            if any(entry.shape and isinstance(entry.shape[0], int) for entry in program.model.graph.inputs):
                raise InputError(f"{name} has no ONNX form for any batch size: something in it takes the size as fixed")
            program.save(str(path), external_data=False)
    except torch.onnx.OnnxExporterError as error:
        raise InputError(f"{name} has no ONNX form: {first_line(error.__cause__ or error)}") from None


def with_constants(path: Path, values: Mapping[str, np.ndarray]) -> Path | bytes:
    """A file's network in which inputs, by name, are constants, and what is made of these alone is computed; the file
    as it is where it uses none of them."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    graph = model.graph
    values = {value.name: values[value.name] for value in graph.input if value.name in values}
    if not values.keys() & {name for node in graph.node for name in node.input}:
        return path
    known = {tensor.name for tensor in graph.initializer} | values.keys()
    folded: list[Any] = []
    others: list[Any] = []
    for node in graph.node:
        constant = all(name in known for name in node.input if name)
        (folded if constant else others).append(node)
        known.update(node.output if constant else ())
    made = {name for node in folded for name in node.output} | values.keys()
    wanted = sorted(made & {name for node in others for name in node.input})
    used = {name for node in folded for name in node.input}
    part = onnx.helper.make_graph(
        folded,
        "constants",
        [value for value in graph.input if value.name in values],
        [onnx.helper.make_empty_tensor_value_info(name) for name in wanted],
        [tensor for tensor in graph.initializer if tensor.name in used],
    )
    alone = onnx.helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)
    constants = said(open_session(alone.SerializeToString(), 1).run, wanted, values)
    left = [value for value in graph.input if value.name not in values]
    for field, members in (("node", others), ("input", left)):
        graph.ClearField(field)
        getattr(graph, field).extend(members)
    pairs = zip(wanted, constants, strict=True)
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in pairs)
    return model.SerializeToString()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporters say on their way: absent torchvision, constants that were not folded."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
