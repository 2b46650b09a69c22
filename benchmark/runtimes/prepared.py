"""The interface of a runtime: a task in, something that runs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from .registry import check_runtime

Inputs = tuple[torch.Tensor, ...]
#: largest difference of a heatmap value at which two float32 runtimes count as equal
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Task:
    """What is to be executed, and how.

    module: float32, on the CPU, in evaluation mode; a runtime leaves it as it is. inputs: an example, the batch as each
    tensor's first axis: (images or features, sample ids) for ours. Shapes are fixed by it.
    precision: float32, bfloat16, float16 or int8. device: "cpu" or "cuda:N". threads: CPU threads; None: as many as
    torch has. placed: the module lies on the device in the precision already, and may be used as it is, by torch's own
    runtimes. calibration: inputs that ranges of int8 are taken from, one tuple after the other; empty: the example.
    """

    module: nn.Module
    inputs: Inputs
    precision: str = "float32"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    threads: int | None = None
    calibration: Sequence[Inputs] = ()
    placed: bool = False


@dataclass(frozen=True)
class Provenance:
    """What a number must be read with. version: "onnxruntime 1.32.0". provider: what really executed the nodes, with
    the number of nodes of each where there are several. threads: CPU threads. options: of its graph."""

    version: str
    provider: str
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """Those of a row of results."""
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return {"runtime_version": self.version, "runtime_provider": self.provider, "runtime_options": options or None}


class Prepared(Protocol):
    """A network ready to run in a runtime."""

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The float32 output, on the CPU, of inputs on the CPU of the shapes that it was prepared for."""

    def bind(self, *inputs: torch.Tensor) -> Callable[[], object]:
        """The call that a clock times: the inputs lie where the runtime takes them, the output stays there."""

    def synchronise(self) -> None:
        """Wait until what was called is done."""

    def provenance(self) -> Provenance: ...


def prepare(runtime: str, task: Task) -> Prepared:
    """`task` ready to run. InputError, one line, for what the runtime cannot do or this machine lacks."""
    found = check_runtime(runtime, task.precision, task.device.type)
    return found.function()(task)
