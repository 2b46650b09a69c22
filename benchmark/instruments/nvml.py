"""What an NVIDIA GPU says of itself through NVML: clocks, why they are low, energy, who else computes there."""

from __future__ import annotations

import functools
import os
from typing import Any

import torch

#: reasons that make a clock lower than what the kernel alone would run at (nvml.h, nvmlClocksEventReasons); idling, a
#: clock that somebody has fixed and a display are none
THROTTLING = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal",
    0x40: "hardware thermal",
    0x80: "power brake",
}
HINT = "pip install 'posebench[gpu]'"


class Gpu:
    """One GPU. nvml: the module pynvml, or what answers as it does; handle: NVML's. What it does not tell is None."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._nvml, name)(self._handle, *arguments)
        except (self._nvml.NVMLError, AttributeError):  # another driver, or another pynvml
            return None

    def clock_mhz(self) -> int | None:
        """Of the multiprocessors, now."""
        found = self._ask("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_SM)
        return None if found is None else int(found)

    def throttled_by(self) -> tuple[str, ...]:
        """Why the clock is lower than it could be, now; empty where it is not."""
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:  # the name before driver 535
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return tuple(reason for bit, reason in THROTTLING.items() if (bits or 0) & bit)

    def joules(self) -> float | None:
        """Energy since the driver was loaded."""
        found = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return None if found is None else found / 1e3

    def other_processes(self) -> int | None:
        """How many processes compute there beside this one."""
        found = self._ask("nvmlDeviceGetComputeRunningProcesses")
        return None if found is None else sum(process.pid != os.getpid() for process in found)

    def own_bytes(self) -> int | None:
        """Memory that this process has there, its context with it; None in a container that hides process numbers."""
        found = self._ask("nvmlDeviceGetComputeRunningProcesses") or ()
        return next((process.usedGpuMemory for process in found if process.pid == os.getpid()), None)

    def celsius(self) -> int | None:
        found = self._ask("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU)
        return None if found is None else int(found)


def gpu_of(device: torch.device) -> Gpu | None:
    """The GPU behind a CUDA device; None for any other device, and where NVML or its package is not there."""
    if device.type != "cuda":
        return None
    return _gpu(str(torch.cuda.get_device_properties(device).uuid))


@functools.cache
def _gpu(uuid: str) -> Gpu | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        # by its number of life: CUDA_VISIBLE_DEVICES renumbers torch's devices and not NVML's
        return Gpu(pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}"))
    except Exception:  # no package, no driver, or an MIG slice, which has no clocks of its own
        return None
