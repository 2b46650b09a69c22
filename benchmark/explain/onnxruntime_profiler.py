"""ONNX Runtime's profile: a time for each node of the graph that it made of the file."""

from __future__ import annotations

import json
import tempfile
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import Any

from ..runtimes.onnx_session import CPU
from ..runtimes.onnxruntime import model_file, session_of
from ..runtimes.prepared import Prepared, Task
from .kinds import BETWEEN
from .onnx_parts import part_finder
from .parts import InOrder, Scopes
from .passes import Executed, Pass

_NODE = "_kernel_time"
_MOVE_NOTHING = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape")


class OnnxProfiled:
    """A session with profiling on, which ends when its passes are asked for."""

    def __init__(self, task: Task, scopes: Scopes):
        self._folder = tempfile.TemporaryDirectory(prefix="posebench-profile-")
        file = model_file(task)
        self._session = session_of(file, task, CPU, profile=Path(self._folder.name) / "nodes")
        self._call, self._find = self._session.bind(*task.inputs), part_finder(file, scopes)

    def run(self) -> None:
        self._call()

    def passes(self, skip: int) -> list[Pass]:
        path = self._session.session.end_profiling()
        events = json.loads(Path(path).read_text(encoding="utf-8"))
        self._folder.cleanup()
        runs = [event for event in events if event["name"] == "model_run"]
        nodes = [event for event in events if event.get("cat") == "Node" and event["name"].endswith(_NODE)]
        nodes.sort(key=lambda event: event["ts"])
        starts = [event["ts"] for event in nodes]
        ends = [(bisect_left(starts, run["ts"]), bisect_right(starts, run["ts"] + run["dur"])) for run in runs]
        pairs = zip(runs, ends, strict=True)
        return [self._read(run, nodes[first:last]) for run, (first, last) in pairs][skip:]

    def _read(self, run: Any, nodes: list[Any]) -> Pass:
        order, found, mapped = InOrder(), [], 0.0
        for event in nodes:
            known, part = self._find(event["name"].removesuffix(_NODE))
            about, seconds = event["args"], event["dur"] / 1e6
            moved = sum(int(about[f"{what}_size"]) for what in ("activation", "parameter", "output"))
            moved *= about["op_name"] not in _MOVE_NOTHING
            found.append(Executed(about["op_name"], seconds, order.place(part), moved))
            mapped += known * seconds
        total = sum(one.seconds for one in found)
        found.append(Executed(BETWEEN, max(0.0, run["dur"] / 1e6 - total)))
        return Pass(tuple(found), mapped / max(total, 1e-12))


def profile(task: Task, prepared: Prepared, scopes: Scopes) -> OnnxProfiled:
    return OnnxProfiled(task, scopes)
