"""ONNX Runtime: its CPU provider, and on CUDA its CUDA or TensorRT provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...pose.errors import InputError
from .onnx_file import onnx_file
from .onnx_session import CPU, open_session, said
from .prepared import Provenance, Task

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"


@dataclass(frozen=True)
class OnnxSession:
    """A session with the names of its inputs; an input that the graph does not use has none."""

    session: Any
    names: tuple[str | None, ...]
    device: torch.device
    about: Provenance

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(said(self.session.run, None, self._feeds(inputs))[0]).float()

    def bind(self, *inputs: torch.Tensor) -> Callable[[], object]:
        if self.device.type == "cpu":
            feeds = self._feeds(inputs)
            return lambda: said(self.session.run, None, feeds)
        tensors = {name: tensor.to(self.device) for name, tensor in zip(self.names, inputs, strict=True) if name}
        binding, index = self.session.io_binding(), self.device.index or 0
        for name, tensor in tensors.items():
            kind = np.int64 if tensor.dtype == torch.int64 else np.float32
            binding.bind_input(name, "cuda", index, kind, tuple(tensor.shape), tensor.data_ptr())
        binding.bind_output(self.session.get_outputs()[0].name, "cuda", index)

        def call(_: object = tensors) -> object:  # the binding holds addresses alone
            return said(self.session.run_with_iobinding, binding)

        return call

    def synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def provenance(self) -> Provenance:
        return self.about

    def _feeds(self, inputs: tuple[torch.Tensor, ...]) -> dict[str, np.ndarray]:
        pairs = zip(self.names, inputs, strict=True)
        return {name: tensor.cpu().contiguous().numpy() for name, tensor in pairs if name}


def prepare(task: Task) -> OnnxSession:
    return session_of(model_file(task), task, CPU if task.device.type == "cpu" else CUDA)


def prepare_tensorrt(task: Task) -> OnnxSession:
    return session_of(onnx_file(task.module, task.inputs), task, TENSORRT)


def session_of(path: Path, task: Task, provider: str, *, profile: Path | None = None) -> OnnxSession:
    """A session of a file for the task's batch size, threads and device. profile: how its profile's name begins.

    InputError where the installed onnxruntime lacks the provider, or executes nothing with it.
    """
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        raise InputError(
            f"runtime onnxruntime: the installed onnxruntime {onnxruntime.__version__} has no {provider}; "
            "pip install onnxruntime-gpu in its place"
        )
    threads = task.threads or torch.get_num_threads()
    session = open_session(path, threads, _providers(provider, task), batch=len(task.inputs[0]), profile=profile)
    known = {value.name for value in session.get_inputs()}
    expected = [f"input_{number}" for number in range(len(task.inputs))]
    names = tuple(name if name in known else None for name in expected)
    about = Provenance(
        version=f"onnxruntime {onnxruntime.__version__}",
        provider=_used(session, provider),
        threads=threads,
        options={"graph": "all optimisations", "batch": len(task.inputs[0]), "spinning": "stopped after each call"},
    )
    return OnnxSession(session, names, task.device, about)


def _providers(provider: str, task: Task) -> list[Any]:
    if provider == CPU:
        return [CPU]
    stream = str(torch.cuda.current_stream(task.device).cuda_stream)
    options: dict[str, Any] = {"device_id": task.device.index or 0, "user_compute_stream": stream}
    if provider == TENSORRT:
        options["trt_fp16_enable"] = task.precision == "float16"
        return [(TENSORRT, options), CUDA, CPU]
    return [(CUDA, options), CPU]


def _used(session: Any, provider: str) -> str:
    """Which provider executes how many nodes. ONNX Runtime falls back without a word: InputError where nothing runs on
    the one that was asked for, or where that cannot be told."""
    registered = session.get_providers()
    if registered == [CPU] == [provider]:
        return CPU
    if not hasattr(session, "get_provider_graph_assignment_info"):
        raise InputError("runtime onnxruntime: this version does not tell which provider runs a node; give a newer one")
    nodes: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return told(provider, nodes)


def told(provider: str, nodes: Mapping[str, int]) -> str:
    """ "CUDAExecutionProvider 310 nodes, CPUExecutionProvider 12 nodes"; InputError where the asked one has none."""
    if not nodes.get(provider):
        others = ", ".join(name for name, count in nodes.items() if count) or "nothing"
        raise InputError(f"runtime onnxruntime: {provider} was asked for and runs no node, {others} does; see its log")
    ordered = sorted(nodes.items(), key=lambda item: (item[0] != provider, -item[1]))
    return ", ".join(f"{name} {count} nodes" for name, count in ordered if count)


def model_file(task: Task) -> Path:
    """The module's file, in the task's precision."""
    if task.precision == "int8":
        from .int8 import quantised_file

        return quantised_file(task)
    if task.precision == "float16":
        return onnx_file(task.module, task.inputs, "float16", _halve)
    return onnx_file(task.module, task.inputs)


def _halve(source: Path, target: Path) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)
