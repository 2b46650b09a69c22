"""Who holds which device: a device, or a share of the cores, is leased to one task at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...benchmark.instruments.interference import usable_cores
from ...pose.errors import InputError
from .task import Resources, Task


@dataclass(frozen=True)
class Lease:
    """What a task holds while it runs. where: in words; environment: what shows it to the process; devices: numbers of
    CUDA devices; cores: how many of the CPU's."""

    where: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[int, ...] = ()
    cores: int = 0
    alone: bool = False


class Leases:
    """The devices and cores that are free. A task that is to run alone gets its lease when nothing else has one, and
    nothing gets one beside it."""

    def __init__(self, devices: Iterable[int] = (), cores: int = 1, jobs: int | None = None) -> None:
        """jobs: at most so many leases at once. On the CPU it goes over the number of cores, which the tasks share."""
        self._free = sorted(devices)
        self._cores = cores
        self._jobs = jobs
        self._held: list[Lease] = []

    @classmethod
    def of_machine(cls, tasks: Iterable[Task], resources: Resources) -> Leases:
        """Those of this machine for these tasks. InputError where it has no device and one is needed."""
        devices: tuple[int, ...] = ()
        if any(task.cuda for task in tasks):
            devices = cuda_devices() if resources.devices is None else resources.devices
            if not devices:
                raise InputError("no CUDA device is usable here; use --device cpu")
        return cls(devices, usable_cores(), resources.jobs)

    def take(self, task: Task) -> Lease | None:
        """A lease for the task, or None while there is no room for it."""
        if any(lease.alone for lease in self._held) or (task.alone and self._held):
            return None
        if self._jobs is not None and len(self._held) >= self._jobs:
            return None
        if task.cuda:
            if not self._free:
                return None
            device = self._free.pop(0)
            lease = Lease(f"cuda:{device}", {"CUDA_VISIBLE_DEVICES": visible(device)}, (device,), alone=task.alone)
        else:
            cores = min(task.threads, self._cores)
            if self._jobs is None and cores > self._cores - sum(lease.cores for lease in self._held):
                return None
            lease = Lease("cpu", cores=cores, alone=task.alone)
        self._held.append(lease)
        return lease

    def give_back(self, lease: Lease) -> None:
        self._held.remove(lease)
        self._free = sorted([*self._free, *lease.devices])


def places(task: Task, resources: Resources) -> int:
    """How many such tasks run on this machine at once."""
    leases = Leases.of_machine([task], resources)
    count = 0
    while leases.take(task) is not None:
        count += 1
    return count


def cuda_devices() -> tuple[int, ...]:
    """The CUDA devices that this process sees, by number."""
    import torch

    return tuple(range(torch.cuda.device_count()))


def visible(device: int) -> str:
    """What CUDA_VISIBLE_DEVICES must say so that only one of the devices that are visible here is. It may name them by
    number or by UUID already."""
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    if named and device >= len(named):
        raise InputError(f"--devices {device}: CUDA_VISIBLE_DEVICES shows {len(named)} here; give 0-{len(named) - 1}")
    return named[device] if named else str(device)
