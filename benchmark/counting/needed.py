"""Multiply-adds of masked connections: a dense attention executes them, though their weight is zero."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ...pose.models.model import PoseModel
from ...pose.reductions.schedule import Schedule


def masked_macs(model: nn.Module, batch: int = 1) -> int:
    """What one forward pass on `batch` samples multiplies in vain in posebench's transformers: products of queries and
    keys, and of weights and values, of connections that a boolean mask cuts. Executed less this is what is needed.

    An attention that shows its logits, to choose connections from them, needs all of these; there only the products
    with the values are in vain. How many are cut is said by the reduction's schedule and by the joint mask.
    """
    within = [model.transformer] if isinstance(model, PoseModel) else model.modules()
    transformers = [module for module in within if isinstance(getattr(module, "schedule", None), Schedule)]
    return batch * sum(_between_visual(m) + _between_joints(m) for m in transformers if hasattr(m, "mask"))


def _between_visual(transformer: Any) -> int:
    """Of visual queries and keys, in each block after the first in which a reduction cuts connections."""
    schedule, reduction = transformer.schedule, transformer.mask
    if schedule.removes:
        return 0
    products = 0
    for block, (seen, _) in enumerate(schedule.seen):
        if block == getattr(transformer, "keypoint_block", None):  # there no visual token is a query
            continue
        cut = schedule.total * (schedule.total - seen)
        if reduction.need_weights and schedule.left_at(block) is not None:
            products += cut
        elif reduction.config.get("execution") == "dense":
            products += 2 * cut
    return products * reduction.shape.dim


def _between_joints(transformer: Any) -> int:
    """Of keypoint tokens that do not see each other, in the joint blocks."""
    mask = getattr(transformer, "joint_mask", None)
    if mask is None:
        return 0
    return transformer.shape.joint_blocks * 2 * int((~mask.to(torch.bool)).sum()) * transformer.shape.dim
