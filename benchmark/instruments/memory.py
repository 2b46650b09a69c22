"""Peak memory of one forward pass: what it needs on top of the weights."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from .device import check_device
from .nvml import gpu_of

_PROBE_BYTES = 54_321  # one allocation of a size of its own, to see that the profiler reports allocations at all

CPU_METHOD = "live tensor bytes from the profiler's allocation events"
CUDA_METHOD = "bytes requested of torch's CUDA allocator"
RSS_METHOD = "peak resident memory of a process with torch and the runtime in it"


@dataclass(frozen=True)
class MemoryResult:
    """Memory of one forward pass, in bytes.

    peak_bytes: highest sum of live tensors during the pass: inputs, activations, output and the temporary buffers that
        operators take from torch's allocator; weights and buffers not included, nor what a library takes by itself.
    weights_bytes: parameters and buffers, shared ones once.
    peak_rss_bytes: highest resident memory of the whole process since it began, Python and torch included; None where
        the system does not tell. It speaks of this pass only in a process of its own.
    method: how peak_bytes was found, or peak_rss_bytes where a runtime takes its memory past torch: then peak_bytes and
        weights_bytes are None.
    reserved_bytes: on CUDA what the allocator held at the peak, weights and rounding with it. context_bytes: what the
        process has of the GPU beside that; None where NVML does not tell.
    """

    peak_bytes: int | None
    weights_bytes: int | None
    peak_rss_bytes: int | None
    method: str
    reserved_bytes: int | None = None
    context_bytes: int | None = None


def peak_memory(
    module: nn.Module | Callable[..., object],
    inputs: torch.Tensor | tuple[torch.Tensor, ...],
    device: str | torch.device = "cpu",
) -> MemoryResult:
    """Peak memory of `module(*inputs)` in inference mode, after one unmeasured pass.

    CPU: the running sum of the allocations and frees that torch.profiler reports, plus the inputs; repeatable to the
    byte for a given thread count. CUDA: the peak of the bytes requested of torch's allocator after a reset, above what
    was requested before the pass, plus the inputs: not rounded to its blocks, and with cuDNN's workspaces.
    Module and inputs must lie on `device` already. Raises InputError for a device that is not there.
    """
    found = check_device(device)
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    held = storage_bytes(arguments)
    with torch.inference_mode():
        module(*arguments)
        on_gpu = found.type == "cuda"
        peak, *beside = _cuda_peak(module, arguments, found) if on_gpu else (_cpu_peak(module, arguments),)
    weights = storage_bytes([*module.parameters(), *module.buffers()]) if isinstance(module, nn.Module) else 0
    method = CUDA_METHOD if on_gpu else CPU_METHOD
    return MemoryResult(peak + held, weights, peak_rss_bytes(), method, *beside)


def peak_rss_bytes() -> int | None:
    """Highest resident memory of this process so far, in bytes; None where the system does not tell."""
    # Not ru_maxrss where /proc is there: Linux hands that down through fork and exec, so that the child of a big
    # process begins with its parent's peak.
    with contextlib.suppress(OSError):
        match = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        if match:
            return int(match[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) or None


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages of tensors, shared ones once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def _cuda_peak(
    module: Callable[..., object], arguments: tuple[torch.Tensor, ...], device: torch.device
) -> tuple[int, int, int | None]:
    """Peak of what was requested, the most that was reserved, and what the process has beside it."""
    torch.cuda.empty_cache()  # what the pass before left is not held for this one
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_stats(device)["requested_bytes.all.current"]
    output = module(*arguments)
    torch.cuda.synchronize(device)
    after = torch.cuda.memory_stats(device)
    del output
    gpu = gpu_of(device)
    own = gpu.own_bytes() if gpu else None
    context = None if own is None else own - after["reserved_bytes.all.current"]
    return after["requested_bytes.all.peak"] - before, after["reserved_bytes.all.peak"], context


def _cpu_peak(module: Callable[..., object], arguments: tuple[torch.Tensor, ...]) -> int:
    with quiet_profiler(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        probe = torch.empty(_PROBE_BYTES, dtype=torch.uint8)
        del probe
        output = module(*arguments)
        del output
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    sizes = [event.nbytes() for event in events]
    if sizes[:2] != [_PROBE_BYTES, -_PROBE_BYTES]:
        raise RuntimeError(f"torch {torch.__version__} does not report CPU allocations to its profiler as expected")
    live = peak = 0
    for size in sizes[2:]:
        live += size
        peak = max(peak, live)
    return peak


@contextlib.contextmanager
def quiet_profiler() -> Iterator[None]:
    """Keep the profiler's library from printing that it started and stopped."""
    before = os.environ.get("KINETO_LOG_LEVEL")
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("KINETO_LOG_LEVEL", None)
