"""Who holds which device: a device, or a share of the cores, is leased to one task at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...benchmark.instruments.interference import usable_cores
from ...pose.errors import InputError
from .task import Resources, Task


@dataclass(frozen=True)
class Lease:
    """What a task holds while it runs. where: in words; environment: what shows it to the process; devices: numbers of
    CUDA devices; share: of the places for tasks on the CPU."""

    where: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[int, ...] = ()
    alone: bool = False


class Leases:
    """The devices, and the places for tasks on the CPU, that are free. A task that is to run alone gets its lease when
    nothing else has one, and nothing gets one beside it."""

    def __init__(self, devices: Iterable[int] = (), places: int = 1) -> None:
        self._free = sorted(devices)
        self.places = places
        self._held: list[Lease] = []

    @classmethod
    def of_machine(cls, tasks: Sequence[Task], resources: Resources) -> Leases:
        """Those of this machine for these tasks. On CUDA `jobs` can only lower how many run at once."""
        if any(task.cuda for task in tasks):
            devices = cuda_devices() if resources.devices is None else resources.devices
            return cls(devices, min(resources.jobs or len(devices), len(devices)))
        threads = max((task.threads for task in tasks), default=1)
        return cls((), resources.jobs or cpu_places(threads))

    def take(self, task: Task) -> Lease | None:
        """A lease for the task, or None while there is no room for it."""
        full = len(self._held) >= self.places or any(lease.alone for lease in self._held)
        if full or (task.alone and self._held) or (task.cuda and not self._free):
            return None
        lease = Lease("cpu", alone=task.alone)
        if task.cuda:
            device = self._free.pop(0)
            lease = Lease(f"cuda:{device}", {"CUDA_VISIBLE_DEVICES": visible(device)}, (device,), task.alone)
        self._held.append(lease)
        return lease

    def give_back(self, lease: Lease) -> None:
        self._held.remove(lease)
        self._free = sorted([*self._free, *lease.devices])


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


def cpu_places(threads: int) -> int:
    """How many tasks of so many threads the cores of this machine carry."""
    return max(1, usable_cores() // threads)
