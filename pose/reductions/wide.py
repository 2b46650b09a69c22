"""Choosing in float32, whatever a model computes in: which tokens go is decided by differences that half precision
rounds away (bfloat16 keeps 89 to 96 % of the tokens that float32 keeps), or that overflow it (float16, `norm`)."""

from __future__ import annotations

import contextlib

import torch

HALF = (torch.bfloat16, torch.float16)


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in float32 where it is in half precision, else itself."""
    return tensor.float() if tensor.dtype in HALF else tensor


def under_autocast(device: torch.device) -> bool:
    """Whether operators on a kind of device are cast to half precision."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def as_given(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Inside, operators compute in the format of what they are given."""
    # nothing is entered where nothing is changed: an exported graph would hold it
    return torch.autocast(device.type, enabled=False) if under_autocast(device) else contextlib.nullcontext()
