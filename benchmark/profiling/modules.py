"""Profile any nn.Module: parameters, multiply-adds, latency, throughput, peak memory; one row per batch size."""

from __future__ import annotations

import contextlib
import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from ...pose.errors import InputError
from ...row import STATUS_FAILED
from ..counting.flops import count_flops
from ..counting.macs import UncountedOperatorError
from ..instruments.allocator import keep_freed_memory
from ..instruments.device import check_count, check_dtype, use_device
from ..instruments.environment import conditions
from ..instruments.memory import MemoryResult, peak_memory
from ..instruments.own_process import in_own_process
from ..instruments.precision import Precision
from ..instruments.timing import Row, Subject, that_fit, time_together
from .config import ProfileConfig

_MIB = 2**20


def profile_modules(
    modules: Mapping[str, nn.Module],
    inputs: torch.Tensor | tuple[torch.Tensor, ...],
    how: ProfileConfig,
    progress: Callable[..., object] | None = None,
) -> list[Row]:
    """Rows of any modules that take the same example `inputs`: whole-model columns, timed interleaved.

    Every input tensor has the batch as its first axis; its first sample is repeated for each batch size. The modules
    are copied, so that the caller's stay where and as they are. See time_together for the latency columns. Memory is
    taken in a process of its own where that can import the module's class; otherwise in this one, and peak_rss_mib is
    None. macs and gflops (one sample) are None, and the column error names the operator, where one has no counting
    rule. InputError for an absent device or a count below 1.
    """
    device, threads = use_device(how.run.device, tf32=how.run.tf32), how.run.threads
    precision = Precision(check_dtype(how.run.dtype, device), device)
    sizes = [check_count("batch size", size) for size in how.batch_sizes]
    example = inputs if isinstance(inputs, tuple) else (inputs,)
    copies = {name: copy.deepcopy(module).cpu().eval() for name, module in modules.items()}
    counts = {name: _count_columns(module, example) for name, module in copies.items()}
    placed = {name: precision.place(module) for name, module in copies.items()}
    keep_freed_memory()
    rows: list[Row] = []
    for size in sizes:
        batch = tuple(precision.place_tensor(tensor[:1].expand(size, *tensor.shape[1:]).clone()) for tensor in example)
        subjects = {name: Subject(precision.bind(module, *batch)) for name, module in placed.items()}
        fit, too_big = that_fit(subjects)
        timed = time_together(
            fit,
            size,
            device=device,
            threads=threads,
            max_samples=how.samples,
            max_seconds=how.seconds,
            progress=progress,
        )
        for name, module in placed.items():
            row: Row = {"model": name, "status": "ok", "precision": precision.text} | counts[name]
            row |= conditions(device, precision.dtype, threads, size) | timed.get(name, {})
            if name in too_big:
                row |= {"status": STATUS_FAILED, "error": too_big[name]}
            elif how.memory:
                row |= memory_or_error(partial(_module_memory, module.cpu(), batch, precision, threads))
                precision.place(module)
            rows.append(row)
    return rows


def _count_columns(module: nn.Module, example: tuple[torch.Tensor, ...]) -> Row:
    """params, macs and gflops of one sample; without the latter two, and with the reason, where they are unknown."""
    try:
        count = count_flops(module, tuple(tensor[:1].cpu() for tensor in example))
    except UncountedOperatorError as error:
        params = sum(parameter.numel() for parameter in module.parameters())
        return {"params": params, "macs": None, "gflops": None, "error": str(error)}
    return {"params": count.params, "macs": count.macs, "gflops": count.gflops}


def memory_columns(result: MemoryResult) -> Row:
    """peak_memory_mib, weights_mib, peak_rss_mib and those of CUDA (None where not told), and the method."""
    return {
        "peak_memory_mib": _mib(result.peak_bytes),
        "weights_mib": _mib(result.weights_bytes),
        "peak_rss_mib": _mib(result.peak_rss_bytes),
        "memory_method": result.method,
    } | ({} if result.reserved_bytes is None else _cuda_columns(result))


def _cuda_columns(result: MemoryResult) -> Row:
    return {"reserved_memory_mib": _mib(result.reserved_bytes), "cuda_context_mib": _mib(result.context_bytes)}


def memory_or_error(measure: Callable[[], MemoryResult]) -> Row:
    """The memory columns of what `measure` finds; where its process was refused or killed the column error, since what
    was measured of the row before stands."""
    try:
        return memory_columns(measure())
    except (RuntimeError, InputError) as error:
        return {"error": f"memory was not measured: {str(error).splitlines()[0]}"}


def _mib(size: int | None) -> float | None:
    return None if size is None else size / _MIB


def placed_memory(
    module: nn.Module, batch: tuple[torch.Tensor, ...], precision: Precision, threads: int | None
) -> MemoryResult:
    """Peak memory of a module and its inputs, placed in this process. Run it in a process of its own."""
    if threads is not None:
        torch.set_num_threads(threads)
    batch = tuple(precision.place_tensor(tensor) for tensor in batch)
    with precision.context():
        return peak_memory(precision.place(module), batch, precision.device)


def _module_memory(
    module: nn.Module, batch: tuple[torch.Tensor, ...], precision: Precision, threads: int | None
) -> MemoryResult:
    batch = tuple(tensor.cpu() for tensor in batch)
    # a class that lives in the started script or in a function, or a module that holds a hook
    not_for_others = (pickle.PicklingError, pickle.UnpicklingError, AttributeError, TypeError)
    with contextlib.suppress(*not_for_others):
        return in_own_process(placed_memory, module, batch, precision, threads)
    before = torch.get_num_threads()
    try:
        found = placed_memory(module, batch, precision, threads)
    finally:
        torch.set_num_threads(before)
    return replace(found, peak_rss_bytes=None)
