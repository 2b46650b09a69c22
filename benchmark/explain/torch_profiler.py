"""torch.profiler: the operators of a pass in torch, by part of the model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.autograd.profiler import record_function

from ..instruments.memory import quiet_profiler
from ..runtimes.eager import InTorch
from ..runtimes.prepared import Task, prepare
from .kinds import BETWEEN
from .parts import InOrder, Scopes, marked
from .passes import Executed, Pass

_PASS, _PART = "posebench::pass", "posebench::part::"


class TorchProfiled:
    """Passes of a module under torch.profiler on a CPU. An operator's time is its own, without those it calls. module:
    None where what runs is not in parts any more."""

    def __init__(self, call: Callable[[], object], module: nn.Module | None, scopes: Scopes):
        self.call, self.module, self.scopes = call, module, scopes
        self._passes: list[Pass] = []

    def run(self) -> None:
        def enter(part: str) -> Any:
            mark = record_function(_PART + part)
            mark.__enter__()
            return mark

        with (
            quiet_profiler(),
            marked(self.module, self.scopes, enter, lambda mark: mark.__exit__(None, None, None))
            if self.module is not None
            else contextlib.nullcontext(),
            torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler,
            record_function(_PASS),
        ):
            self.call()
        self._passes.append(read_events(profiler.events(), in_parts=self.module is not None))

    def passes(self, skip: int) -> list[Pass]:
        return self._passes[skip:]


def profile(task: Task, prepared: InTorch, scopes: Scopes) -> TorchProfiled:
    assert isinstance(prepared.call, nn.Module), "eager, or in another form"
    return TorchProfiled(prepared.bind(*task.inputs), prepared.call, scopes)


def profile_compiled(task: Task, prepared: InTorch, scopes: Scopes) -> TorchProfiled:
    """Compiled anew, so that each of the compiler's kernels tells the profiler when it runs."""
    from torch._inductor import config

    with config.patch({"cpp.enable_kernel_profile": True}):
        return TorchProfiled(prepare("compile", task).bind(*task.inputs), None, scopes)


def read_events(events: Any, *, in_parts: bool = True) -> Pass:
    """The operators of one thread in the order of their starts, and what lies between them, each gap in the part of the
    operator behind it."""
    whole = next(event for event in events if event.name == _PASS)
    own = sorted(
        (event for event in events if event.thread == whole.thread and _counts(event.name)),
        key=lambda event: (event.time_range.start, -event.time_range.end),
    )
    order, part, part_end = InOrder(), None, 0.0
    busy_until, found = whole.time_range.start, []
    for event in own:
        start, end = event.time_range.start, event.time_range.end
        if start >= whole.time_range.end:
            break
        if event.name.startswith(_PART):
            part, part_end = event.name.removeprefix(_PART), end
            continue
        here = order.place(part if start < part_end else None) if in_parts else None
        if start >= busy_until:  # called by none of torch's
            found.append(Executed(BETWEEN, (start - busy_until) / 1e6, here))
            busy_until = end
        found.append(Executed(event.name, event.self_cpu_time_total / 1e6, here))
    rest = max(0.0, whole.time_range.end - busy_until) / 1e6
    found.append(Executed(BETWEEN, rest, order.place(None) if in_parts else None))
    return Pass(tuple(found))


def _counts(name: str) -> bool:
    """Whether an event is an operator, a compiler's kernel or a part, and not a step on the way to them."""
    return name != _PASS and ("::" in name or name.startswith("graph_"))
