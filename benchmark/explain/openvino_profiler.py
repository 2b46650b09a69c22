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
        self._walls: list[float] = []
        self._means: list[dict[str, float]] = []  # after each pass, of all passes so far

    def run(self) -> None:
        started = time.perf_counter()
        self._call()
        self._walls.append(time.perf_counter() - started)
        self._means.append({name: seconds for name, _, seconds in self._counters()})

    def passes(self, skip: int) -> list[Pass]:
        """Their mean, since the plug-in's counters are means over all passes so far."""
        skipped = self._means[skip - 1] if skip else {}
        count, order, found, mapped = len(self._walls), InOrder(), [], 0.0
        for name, kind, mean in self._counters():
            known, part = self._find(name)
            seconds = max(0.0, count * mean - skip * skipped.get(name, 0.0)) / (count - skip)
            found.append(Executed(kind, seconds, order.place(part), self._bytes.get(name)))
            mapped += known * seconds
        total = sum(one.seconds for one in found)
        wall = sum(self._walls[skip:]) / (count - skip)
        found.append(Executed(BETWEEN, max(0.0, wall - total)))
        return [Pass(tuple(found), mapped / max(total, 1e-12))]

    def _counters(self) -> list[tuple[str, str, float]]:
        """Name, type and seconds of each node that ran."""
        return [
            (node.node_name, node.node_type, node.real_time.total_seconds())
            for node in self._request.get_profiling_info()
            if node.status.name == "EXECUTED"
        ]

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
