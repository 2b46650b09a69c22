"""torch operator by operator, on a model put into the form that computes the same with less (pose/fusion)."""

from __future__ import annotations

from ...pose.fusion.fuse import fuse
from ...pose.fusion.packing import pack_weights
from .descriptor import FLOAT32
from .eager import InTorch, about_torch, precision_of
from .prepared import Task


def prepare(task: Task) -> InTorch:
    """Float32 weights on a CPU are packed for oneDNN as well."""
    precision = precision_of(task)
    module = precision.place(fuse(task.module, *task.inputs))
    packs = task.device.type == "cpu" and task.precision == FLOAT32
    packed = packs and pack_weights(module, *task.inputs)
    return InTorch(module, precision, about_torch(task, "CPU" if task.device.type == "cpu" else "CUDA", packed=packed))
