"""Eager's kernels recorded once as a CUDA graph and launched together: what is left when launching costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .eager import about_torch, placed, precision_of
from .prepared import Provenance, Task

WARMUP_CALLS = 3  # as torch's documentation of CUDA graphs has it, on a stream aside


@dataclass(frozen=True)
class Recorded:
    """A graph with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[torch.Tensor, ...]
    output: torch.Tensor
    about: Provenance

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        self.bind(*inputs)()
        self.synchronise()
        return self.output.float().cpu()

    def bind(self, *inputs: torch.Tensor) -> Callable[[], object]:
        for place, tensor in zip(self.inputs, inputs, strict=True):
            place.copy_(tensor)
        return self.graph.replay

    def synchronise(self) -> None:
        torch.cuda.synchronize(self.output.device)

    def provenance(self) -> Provenance:
        return self.about


def prepare(task: Task) -> Recorded:
    precision, module = precision_of(task), placed(task)
    inputs = tuple(precision.place_tensor(tensor).clone() for tensor in task.inputs)
    with torch.cuda.device(task.device), torch.inference_mode(), precision.context():
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARMUP_CALLS):
                module(*inputs)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = module(*inputs)
    return Recorded(graph, inputs, output, about_torch(task, "CUDA graph"))
