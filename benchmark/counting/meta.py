"""Running a module for its shapes alone: on torch's meta device a tensor has a shape and no values."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from . import shapes

#: places, not data: they keep their values, so that what depends on them alone is known
_INDICES = (torch.ops.aten.arange, torch.ops.aten.linspace)


class NeedsValuesError(Exception):
    """What runs depends on values, which a tensor on the meta device has not."""


class ShapeMode(TorchDispatchMode):
    """Sees operators before they run. It is never compiled: importing torch.compile to say so would take a second."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def without_values(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape, strides and type on the meta device."""
    if tensor.is_meta:
        return tensor
    twin = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    return nn.Parameter(twin, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin


def shapes_of(values: Any) -> Any:
    """A structure of arguments with its tensors on the meta device."""
    return tree_map(lambda value: without_values(value) if isinstance(value, torch.Tensor) else value, values)


def copy_without_values(model: nn.Module) -> nn.Module:
    """A deep copy of a module with its parameters, buffers and other tensors on the meta device; no value is copied."""
    memo = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values(), *vars(module).values()):
            if isinstance(tensor, torch.Tensor):
                memo[id(tensor)] = without_values(tensor)
    return copy.deepcopy(model, memo)


@contextlib.contextmanager
def empty_parameters() -> Iterator[None]:
    """Modules made in this context have parameters without values; constants (tables, masks) have theirs."""
    with torch.random.fork_rng(devices=[]), _EmptyParameters():
        yield


class _EmptyParameters(ShapeMode):
    """Parameters start as torch.empty, and initialising one changes it in place."""

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if operator is torch.ops.aten.empty.memory_format:
            return operator(*args, **{**kwargs, "device": "meta"})
        if _changes_in_place(operator) and args[0].is_meta:
            return args[0]
        return operator(*args, **kwargs)


def run_for_shape(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an operator returns where some of its arguments have no values: shapes for all, or real tensors where all
    arguments are real. Raises NeedsValuesError for one that writes what has no values into what has."""
    with_values, without = _kinds(args, kwargs)
    if not without:
        if operator.overloadpacket in _INDICES and "out" not in kwargs:
            kwargs = {**kwargs, "device": "cpu"}
        return operator(*args, **kwargs)
    if with_values:
        written = kwargs.get("out", args[0]) if operator._schema.is_mutable else None
        if isinstance(written, torch.Tensor) and not written.is_meta:
            raise NeedsValuesError(f"{operator} writes into a tensor with values")
        args, kwargs = shapes_of((args, kwargs))
    if _changes_in_place(operator):
        return args[0]
    found = shapes.answer(operator, args, kwargs)
    return operator(*args, **kwargs) if found is None else found


def _kinds(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, bool]:
    """Whether there are tensors with values, and tensors without."""
    with_values = without = False
    for value in (*args, *kwargs.values()) if kwargs else args:
        for tensor in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(tensor, torch.Tensor):
                with_values, without = with_values or not tensor.is_meta, without or tensor.is_meta
    return with_values, without


@cache
def _changes_in_place(operator: Any) -> bool:
    """Whether it only changes the values of its first argument, which it returns."""
    namespace, _, name = operator._schema.name.partition("::")
    return namespace == "aten" and name.endswith("_") and not name.endswith("__") and name not in _CHANGES_SHAPE


_CHANGES_SHAPE = frozenset(
    """
    as_strided_ detach_ rename_ requires_grad_ resize_ resize_as_ set_ squeeze_ swapaxes_ swapdims_ t_ transpose_
    unsqueeze_
    """.split()
)
