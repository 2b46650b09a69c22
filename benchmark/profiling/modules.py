"""Profile any nn.Module: parameters, multiply-adds, latency and memory; a row per runtime and batch size."""

from __future__ import annotations

import contextlib
import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import product

import torch
from torch import nn

from ...pose.errors import InputError, first_line
from ...row import STATUS_FAILED, STATUS_OK
from ..counting.flops import count_flops
from ..counting.macs import UncountedOperatorError
from ..instruments.allocator import keep_freed_memory
from ..instruments.device import DTYPES, check_count, check_room, torch_threads, use_device
from ..instruments.energy import energy_counter
from ..instruments.environment import conditions
from ..instruments.memory import RSS_METHOD, MemoryResult, peak_memory, peak_rss_bytes, storage_bytes
from ..instruments.own_process import in_own_process
from ..instruments.precision import Precision
from ..instruments.timing import Row, Subject
from ..runtimes.catalogue import EAGER
from ..runtimes.onnx_file import written
from ..runtimes.prepared import Inputs, Task, prepare
from ..runtimes.registry import find_runtime
from .config import ProfileConfig, RunConfig
from .in_runtime import place_module, precision_text
from .subjects import measure_subjects

_MIB = 2**20
SESSION_CALLS = 3


def profile_modules(
    modules: Mapping[str, nn.Module],
    inputs: torch.Tensor | tuple[torch.Tensor, ...],
    how: ProfileConfig,
    progress: Callable[..., object] | None = None,
) -> list[Row]:
    """Rows of any modules that take the same example `inputs`, in each runtime and precision: whole-model columns, all
    of a batch size timed interleaved.

    Every input tensor has the batch as its first axis; its first sample is repeated for each batch size, and is what
    int8 is calibrated on. The modules are copied, so that the caller's stay where and as they are. In another runtime
    than eager a module gives one tensor, which is compared with eager's (see place_module). See time_together for the
    latency columns. Memory is taken in a process of its own where that can import the module's class; otherwise in this
    one, and peak_rss_mib is None. macs and gflops (one sample) are None, and the column error names the operator, where
    one has no counting rule. InputError for an absent device, runtime or precision, or a count below 1.
    """
    if how.processes != 1:
        raise InputError(f"{how.processes} processes: modules of one's own are timed in this one, which has them")
    device, threads = use_device(how.run.device, tf32=how.run.tf32), check_count("threads", how.run.threads)
    runs, _ = how.runs()
    counter = energy_counter(device) if how.energy else None
    sizes = [check_count("batch size", size) for size in how.batch_sizes]
    example = inputs if isinstance(inputs, tuple) else (inputs,)
    check_room(max(sizes), sum(tensor[:1].numel() for tensor in example))
    copies = {name: copy.deepcopy(module).cpu().eval() for name, module in modules.items()}
    asked = list(product(copies, runs))
    counts = {(name, run.runtime): _count_columns(copies[name], example, run.runtime) for name, run in asked}
    reference = next((run for run in runs if run.is_reference), None)
    keep_freed_memory()
    rows: list[Row] = []
    for size in sizes:
        batch = tuple(tensor[:1].cpu().expand(size, *tensor.shape[1:]).clone() for tensor in example)
        with torch_threads(threads):
            placed = {(name, run): place_module(copies[name], batch, run, device) for name, run in asked}
        subjects = {
            (name, run): Subject(one.whole, eager=None if run.is_reference else (name, reference))
            for (name, run), one in placed.items()
            if one.whole is not None and one.error is None
        }
        timed = measure_subjects(
            subjects,
            size,
            device=device,
            threads=threads,
            counter=counter,
            max_samples=how.samples,
            max_seconds=how.seconds,
            retries=how.retries,
            progress=progress,
        )
        for (name, run), one in placed.items():
            row: Row = {"model": name, "status": STATUS_OK, "precision": precision_text(run, device)}
            row |= counts[name, run.runtime] | conditions(device, run.dtype, threads, size) | one.columns
            row |= timed.get((name, run), {"status": STATUS_FAILED, "error": one.error})
            if how.memory and row["status"] == STATUS_OK:
                row |= memory_or_error(partial(_module_memory, copies[name], batch, run, device))
            rows.append(row)
    return rows


def _count_columns(module: nn.Module, example: Inputs, runtime: str) -> Row:
    """params, macs and gflops of one sample, as a runtime executes it; without the latter two, and with the reason,
    where they are unknown."""
    one = tuple(tensor[:1].cpu() for tensor in example)
    try:
        count = count_flops(find_runtime(runtime).executed(module, *one), one)
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
        return not_measured(error)


def not_measured(error: Exception) -> Row:
    """The column that says why there is no memory, which is no word on the rest of the row."""
    return {"error": f"memory was not measured: {first_line(error)}"}


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


def prepared_memory(module: nn.Module, batch: Inputs, run: RunConfig, device: torch.device) -> MemoryResult:
    """Peak memory of one forward pass of a module (float32, on the CPU) in a runtime: of live tensors where torch
    allocates them, else this process's resident memory after some passes. Run it in a process of its own."""
    device = use_device(device, tf32=run.tf32)
    module = module.eval()
    if run.runtime == EAGER:
        return placed_memory(module, batch, Precision(DTYPES[run.dtype], device), run.threads)
    with torch_threads(run.threads):
        call = prepare(run.runtime, Task(module, batch, run.dtype, device, run.threads)).bind(*batch)
        if not find_runtime(run.runtime).in_torch:
            for _ in range(SESSION_CALLS):
                call()
            return MemoryResult(None, None, peak_rss_bytes(), RSS_METHOD)
        found = peak_memory(call, (), device)
    held = (found.peak_bytes or 0) + storage_bytes(batch)
    return replace(found, peak_bytes=held, weights_bytes=storage_bytes([*module.parameters(), *module.buffers()]))


def _module_memory(module: nn.Module, batch: Inputs, run: RunConfig, device: torch.device) -> MemoryResult:
    # a class that lives in the started script or in a function, or a module that holds a hook
    not_for_others = (pickle.PicklingError, pickle.UnpicklingError, AttributeError, TypeError)
    with contextlib.suppress(*not_for_others):
        given = module if find_runtime(run.runtime).in_torch else written(module)
        return in_own_process(prepared_memory, given, batch, run, device)
    with torch_threads(run.threads):
        found = prepared_memory(copy.deepcopy(module), batch, run, device)
    return replace(found, peak_rss_bytes=None)
