"""torch operator by operator, on a model put into the form that computes the same with less (pose/fusion)."""

from __future__ import annotations

from ...pose.fusion.fuse import fuse
from ...pose.fusion.packing import can_pack, pack_weights
from .descriptor import FLOAT32
from .eager import InTorch, about_torch, precision_of
from .prepared import Task


def prepare(task: Task) -> InTorch:
    """Weights of float32 on a CPU are packed for oneDNN as well, where torch can."""
    precision, on_cpu = precision_of(task), task.device.type == "cpu"
    module = precision.place(fuse(task.module, *task.inputs))
    packed = on_cpu and task.precision == FLOAT32 and can_pack()
    if packed:
        pack_weights(module, *task.inputs)
    options = {"batch_norms": "folded", "memory_format": "channels last", "weights": "packed" if packed else "plain"}
    return InTorch(module, precision, about_torch(task, "CPU" if on_cpu else "CUDA", **options))
