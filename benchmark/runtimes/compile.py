"""torch.compile: inductor writes kernels for the whole graph; on a CPU in C++."""

from __future__ import annotations

import types
from typing import Any

import torch
from torch import nn

from ...pose.errors import InputError, first_line
from .eager import InTorch, about_torch, placed, precision_of
from .prepared import Task


def prepare(task: Task) -> InTorch:
    """One graph with static shapes, compiled now. InputError where there is no compiler, or the graph breaks."""
    _check_compiler(task.device)
    options: dict[str, Any] = {"backend": "inductor", "mode": "default", "dynamic": False}
    call = torch.compile(_code_of_its_own(placed(task)), fullgraph=True, **options)
    prepared = InTorch(call, precision_of(task), about_torch(task, "inductor", fullgraph=True, **options))
    before = torch.get_num_threads()
    try:
        if task.threads is not None:
            torch.set_num_threads(task.threads)  # loops are divided among as many when they are compiled
        prepared.run(*task.inputs)
    except torch._dynamo.exc.TorchDynamoException as error:
        name = type(task.module).__name__
        raise InputError(f"runtime compile: {name} does not compile ({first_line(error)})") from None
    finally:
        torch.set_num_threads(before)
    return prepared


def _code_of_its_own(module: nn.Module) -> types.FunctionType:
    """The module's call as a function with a code object of its own. Dynamo keeps what it compiled, and counts how
    often, by code object: several models of one class would reach its limit together, and slow each other's guards."""

    def call(*inputs: torch.Tensor) -> torch.Tensor:
        return module(*inputs)

    return types.FunctionType(call.__code__.replace(), call.__globals__, "call", None, call.__closure__)


def _check_compiler(device: torch.device) -> None:
    if device.type == "cuda":
        if not torch.utils._triton.has_triton():
            raise InputError("runtime compile needs triton on CUDA: pip install triton")
        return
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception as error:
        what = "a C++ compiler (g++, clang++, or that of CXX)"
        raise InputError(f"runtime compile needs {what}: {first_line(error)}") from None
