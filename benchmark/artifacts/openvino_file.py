"""OpenVINO's IR: made from the ONNX form, so that values keep its names, and run by the CPU plug-in in float32."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...pose.errors import InputError, first_line
from ..runtimes.openvino import compile_model
from . import onnx_file
from .artifact import Describe, Step

#: where in rt_info the metadata lies
SECTION = "posebench"


class OpenvinoArtifact:
    """An .xml compiled for the CPU. fallbacks: operators that run by the plug-in's reference code."""

    def __init__(self, path: Path, threads: int | None):
        import openvino

        self.path, self.threads = path, threads
        self.core = openvino.Core()
        model = self.core.read_model(path)
        self.known: Mapping[str, str] = _known(model)
        self.input_shape, self.output_shape = _sizes(model.input(0)), _sizes(model.output(0))
        self.compiled, _ = compile_model(self.core, model, threads=threads)
        self.fallbacks = _references(self.compiled)

    def run(self, images: np.ndarray) -> np.ndarray:
        try:
            return np.array(self.compiled(images)[0])
        except RuntimeError as error:
            raise InputError(f"{self.path}: OpenVINO cannot run it ({first_line(error)})") from None

    def values(self, images: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """From a copy of the graph with these values as outputs, as far as the conversion left them."""
        model = self.core.read_model(self.path)
        there = {name for operator in model.get_ops() for output in operator.outputs() for name in output.names}
        wanted = [name for name in dict.fromkeys(names) if name in there]
        final = model.output(0).names
        ports = [0 if name in final else 1 for name in wanted]
        model.add_outputs([name for name, new in zip(wanted, ports, strict=True) if new])
        compiled, _ = compile_model(self.core, model, threads=self.threads)
        results = compiled(images)
        return {name: np.array(results[name]) for name in wanted}

    def steps(self) -> Iterator[Step]:
        """None: what a value belongs to is told by the ONNX form."""
        return iter(())


def write(program: Any, path: Path, known: Mapping[str, str], describe: Describe) -> None:
    """Write a torch.export program as `path` (.xml) and its .bin, through its ONNX form."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        between = Path(folder) / "model.onnx"
        onnx_file.write(program, between, known, describe)
        model = openvino.convert_model(between)
        for name, value in onnx_file.read(between).known.items():
            model.set_rt_info(value, [SECTION, name])
        openvino.save_model(model, path, compress_to_fp16=False)


def read(path: Path, threads: int | None = None) -> OpenvinoArtifact:
    """Open a file. InputError for what is no IR, is cut, or lacks its .bin."""
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise InputError(f"{path}: its weights, {weights.name}, are not beside it")
    try:
        return OpenvinoArtifact(path, threads)
    except RuntimeError as error:
        raise InputError(f"{path}: is no OpenVINO model, or a cut one ({first_line(error)})") from None


def _known(model: Any) -> dict[str, str]:
    if not model.has_rt_info([SECTION]):
        return {}
    section = model.get_rt_info([SECTION])
    return {name: str(getattr(value, "value", value)) for name, value in getattr(section, "value", section).items()}


def _sizes(port: Any) -> tuple[int | None, ...]:
    return tuple(size.get_length() if size.is_static else None for size in port.partial_shape)


def _references(compiled: Any) -> tuple[str, ...]:
    """Types of the operators that run by reference code, which is right and slow."""
    slow = set()
    for operator in compiled.get_runtime_model().get_ops():
        about = {key: str(getattr(value, "value", value)) for key, value in operator.get_rt_info().items()}
        if about.get("layerType") == "Reference":
            slow.add(about.get("originalLayersNames", "reference").split(",")[0])
    return tuple(sorted(slow))
