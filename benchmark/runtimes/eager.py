"""torch as it is: operator by operator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ..instruments.device import DTYPES
from ..instruments.precision import Precision
from .prepared import Provenance, Task


@dataclass(frozen=True)
class InTorch:
    """A callable of torch's in a number format, on a device."""

    call: Callable[..., torch.Tensor]
    precision: Precision
    about: Provenance

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.bind(*inputs)().float().cpu()  # type: ignore[attr-defined]

    def bind(self, *inputs: torch.Tensor) -> Callable[[], object]:
        call = self.precision.bind(self.call, *map(self.precision.place_tensor, inputs))

        def without_gradients() -> object:
            with torch.inference_mode():
                return call()

        return without_gradients

    def synchronise(self) -> None:
        if self.precision.device.type == "cuda":
            torch.cuda.synchronize(self.precision.device)

    def provenance(self) -> Provenance:
        return self.about


def precision_of(task: Task) -> Precision:
    return Precision(DTYPES[task.precision], task.device)


def placed(task: Task) -> nn.Module:
    """The module on the task's device in its number format; a copy where that changes it."""
    precision = precision_of(task)
    if task.placed:
        return task.module
    stays = task.device.type == "cpu" and (precision.autocast or precision.dtype == torch.float32)
    return precision.place(task.module if stays else copy.deepcopy(task.module))


def about_torch(task: Task, provider: str, **options: object) -> Provenance:
    """Provenance of what torch runs itself."""
    threads = torch.get_num_threads() if task.threads is None else task.threads
    return Provenance(f"torch {torch.__version__}", provider, threads, options)


def prepare(task: Task) -> InTorch:
    kind = "CUDA" if task.device.type == "cuda" else f"CPU ({torch.backends.cpu.get_cpu_capability()})"
    return InTorch(placed(task), precision_of(task), about_torch(task, kind))
