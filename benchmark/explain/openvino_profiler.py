"""OpenVINO's performance counters: a time for each node of the graph that its plug-in executes."""

from __future__ import annotations

import time
from math import prod
from typing import Any

from ..runtimes.openvino import OpenvinoModel
from ..runtimes.prepared import Prepared, Task
from .kinds import BETWEEN
from .onnx_parts import part_finder
from .parts import InOrder, Scopes
from .passes import Executed, Pass

_WIDTHS = {"f32": 4, "i32": 4, "u32": 4, "i64": 8, "u64": 8, "f64": 8, "bf16": 2, "f16": 2, "i8": 1, "u8": 1}


class OpenvinoProfiled:
    """A compiled model with its counters on."""

    def __init__(self, task: Task, scopes: Scopes):
        model = OpenvinoModel(task, counters=True)
        self._call = model.bind(*task.inputs)
        self._request, _ = model.request(task.inputs)
        self._find, self._bytes = part_finder(model.file, scopes), self._moved()
        self._passes: list[Pass] = []

    def run(self) -> None:
        started = time.perf_counter()
        self._call()
        wall = time.perf_counter() - started
        order, found, mapped = InOrder(), [], 0.0
        for node in self._request.get_profiling_info():
            if node.status.name != "EXECUTED":
                continue
            known, part = self._find(node.node_name)
            seconds = node.real_time.total_seconds()
            found.append(Executed(node.node_type, seconds, order.place(part), self._bytes.get(node.node_name)))
            mapped += known * seconds
        total = sum(one.seconds for one in found)
        found.append(Executed(BETWEEN, max(0.0, wall - total)))
        self._passes.append(Pass(tuple(found), mapped / max(total, 1e-12)))

    def passes(self) -> list[Pass]:
        return self._passes

    def _moved(self) -> dict[str, int]:
        """Bytes of the inputs and outputs of each node."""
        return {
            node.get_friendly_name(): sum(map(_bytes, (*node.inputs(), *node.outputs())))
            for node in self._request.get_compiled_model().get_runtime_model().get_ordered_ops()
        }


def _bytes(port: Any) -> int:
    shape = port.get_partial_shape()
    width = _WIDTHS.get(port.get_element_type().get_type_name(), 1)
    return width * prod(shape.to_shape()) if shape.is_static else 0


def profile(task: Task, prepared: Prepared, scopes: Scopes) -> OpenvinoProfiled:
    return OpenvinoProfiled(task, scopes)
