"""OpenVINO's CPU plug-in, from the module's ONNX file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...pose.errors import InputError
from .descriptor import INT8
from .int8 import quantised_file
from .onnx_file import onnx_file, with_constants
from .prepared import Provenance, Task

HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", INT8: "f32"}
#: formats of nodes that show that a precision is computed in
_SHOWN = {**{name: (hint,) for name, hint in HINTS.items()}, INT8: ("u8", "i8")}


class OpenvinoModel:
    """A module's file, compiled for the shapes of its inputs, and for the values of those that are whole numbers.

    The plug-in computes 64-bit whole numbers in 32 bits, without a word: a random mask's numbers, which are made of
    the sample ids, would be others. So ids are constants of its graph, what is made of them alone is computed before,
    and other ids compile it again.
    """

    def __init__(self, task: Task, *, counters: bool = False):
        self.task, self.counters = task, counters
        self.file = quantised_file(task) if task.precision == INT8 else onnx_file(task.module, task.inputs)
        self._compiled: dict[tuple[object, ...], tuple[Any, tuple[int, ...]]] = {}
        self._about: Provenance | None = None
        self._uses_ids = True  # until it is compiled

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        self.bind(*inputs)()
        request, _ = self.request(inputs)
        return torch.from_numpy(np.array(request.get_output_tensor(0).data)).float()

    def bind(self, *inputs: torch.Tensor) -> Callable[[], object]:
        import openvino

        request, places = self.request(inputs)
        arrays = [inputs[place].contiguous().numpy() for place in places]
        tensors = [openvino.Tensor(array, shared_memory=True) for array in arrays]

        def call(_: object = arrays) -> object:  # the tensors hold addresses alone
            for number, tensor in enumerate(tensors):
                request.set_input_tensor(number, tensor)
            return request.infer(share_outputs=True)

        return call

    def synchronise(self) -> None:
        pass

    def provenance(self) -> Provenance:
        assert self._about is not None, "prepare compiles"
        return self._about

    def request(self, inputs: tuple[torch.Tensor, ...]) -> tuple[Any, tuple[int, ...]]:
        """An inference request for these inputs' ids, and the places of the inputs that it takes."""
        if self._key(inputs) not in self._compiled:
            compiled = self._compile(inputs)
            self._compiled = {self._key(inputs): compiled}
        return self._compiled[self._key(inputs)]

    def _key(self, inputs: tuple[torch.Tensor, ...]) -> tuple[object, ...]:
        """What a graph is compiled for: shapes, and ids where it uses them."""
        ids = [tensor.numpy().tobytes() for tensor in inputs if not tensor.is_floating_point() and self._uses_ids]
        return (*(tensor.shape for tensor in inputs), *ids)

    def _compile(self, inputs: tuple[torch.Tensor, ...]) -> tuple[Any, tuple[int, ...]]:
        import openvino

        core = openvino.Core()
        ids = {f"input_{n}": tensor.numpy() for n, tensor in enumerate(inputs) if not tensor.is_floating_point()}
        graph = with_constants(self.file, ids)
        self._uses_ids = graph != self.file
        model = core.read_model(graph)
        ports = {port: int(port.any_name.removeprefix("input_")) for port in model.inputs}
        model.reshape({port: list(inputs[place].shape) for port, place in ports.items()})
        compiled, self._about = compile_model(
            core, model, self.task.precision, self.task.threads, counters=self.counters
        )
        return compiled.create_infer_request(), tuple(ports.values())


def prepare(task: Task) -> OpenvinoModel:
    """Compiled for the task's batch size and threads. InputError where the processor's plug-in computes in another
    precision than the one asked for, which it does without a word."""
    prepared = OpenvinoModel(task)
    prepared.bind(*task.inputs)
    return prepared


def compile_model(
    core: Any, model: Any, precision: str = "float32", threads: int | None = None, *, counters: bool = False
) -> tuple[Any, Provenance]:
    """A graph compiled for the CPU, as every one of ours is: for one call at a time. threads: None: as torch has.

    An int8 graph is quantised before (see int8.py), and the rest of it float32. InputError where no node runs in
    `precision`. Without the hint the plug-in computes in bfloat16 where it can.
    """
    import openvino

    threads = threads or torch.get_num_threads()
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(model, "CPU", options | ({"PERF_COUNT": True} if counters else {}))
    nodes = _precisions(compiled)
    if not any(nodes.get(shown) for shown in _SHOWN[precision]):
        used = ", ".join(name for name, _ in nodes.most_common())
        raise InputError(f"runtime openvino: this processor does not compute in {precision} (nodes run in {used})")
    devices = ", ".join(compiled.get_property("EXECUTION_DEVICES"))
    counts = ", ".join(f"{count} nodes {name}" for name, count in nodes.most_common())
    return compiled, Provenance(f"openvino {openvino.__version__}", f"{devices}: {counts}", threads, options)


def _precisions(compiled: Any) -> Counter[str]:
    """How many of the nodes that are executed run in each number format."""
    counts: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ordered_ops():
        about = node.get_rt_info()
        if "runtimePrecision" in about and node.get_type_name() not in ("Parameter", "Result", "Constant"):
            kind = about["runtimePrecision"]
            counts[str(getattr(kind, "value", kind)).replace("FP", "f").lower()] += 1
    return counts
