"""Running a module for its shapes alone: a copy without values, and answers of operators that need none.

On torch's meta device a tensor has a shape and no values. Its kernels are right and many are Python: a first
convolution imports sympy, a first linear layer torch.compile's whole machinery, a second or more. `shapes_of` answers the
few operators that networks consist of; everything else goes to torch's own.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map


class NeedsValuesError(Exception):
    """What runs depends on values, which a tensor on the meta device has not."""


class ShapeMode(TorchDispatchMode):
    """Sees operators before they run. Importing torch.compile for its sake would take a second; it never runs in one."""

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
    """A deep copy of a module whose parameters, buffers and other tensors are on the meta device: no value is copied."""
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
        if operator._schema.is_mutable and not args[0].is_meta:
            raise NeedsValuesError(f"{operator} writes into a tensor with values")
        args, kwargs = shapes_of((args, kwargs))
    found = _answer(operator, args, kwargs)
    return operator(*args, **kwargs) if found is None else found


def _answer(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The output of an operator on tensors without values; None where torch's own kernel must say it."""
    if _changes_in_place(operator):
        return args[0]
    if operator in _SHAPES:
        return None if kwargs.keys() - {"stable"} else _SHAPES[operator](args)
    if operator is _aten.clone.default and kwargs.get("memory_format") == torch.contiguous_format:
        return _new(args[0], args[0].shape)
    if "out" not in kwargs and (torch.Tag.pointwise in operator.tags or operator in _WITH_A_NUMBER):
        return _elementwise(operator, args, kwargs)
    return None


def _kinds(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, bool]:
    """Whether there are tensors with values, and tensors without."""
    with_values = without = False
    for value in (*args, *kwargs.values()) if kwargs else args:
        for tensor in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(tensor, torch.Tensor):
                with_values, without = with_values or not tensor.is_meta, without or tensor.is_meta
    return with_values, without


@lru_cache(maxsize=None)
def _changes_in_place(operator: Any) -> bool:
    """Whether it only changes the values of its first argument, which it returns."""
    name = operator._schema.name
    return name.endswith("_") and not name.endswith("__") and name not in _CHANGES_SHAPE and operator.namespace == "aten"


_CHANGES_SHAPE = frozenset(
    f"aten::{name}_" for name in "as_strided detach resize resize_as set squeeze swapaxes swapdims t transpose "
    "transpose unsqueeze requires_grad rename".split()
)  # fmt: skip


def _dense(*tensors: Any) -> bool:
    """Whether all are contiguous and of one floating type: what comes out is, too."""
    first = tensors[0]
    return all(
        isinstance(tensor, torch.Tensor) and tensor.is_contiguous() and tensor.dtype == first.dtype for tensor in tensors
    ) and first.is_floating_point()  # fmt: skip


def _new(like: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    return torch.empty(shape, dtype=like.dtype, device="meta")


def _as_first(args: tuple[Any, ...]) -> Any:
    return _new(args[0], args[0].shape) if _dense(args[0]) else None


def _elementwise(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A pointwise operator on contiguous tensors: the broadcast shape, and the type that it gives to no elements."""
    if any(isinstance(value, (tuple, list)) for value in args):
        return None
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
    alone = tensors[0] if len(tensors) == 1 else None
    if alone is None and not all(tensor.is_contiguous() for tensor in tensors):
        return None
    small = [_no_elements(value.dtype, value.ndim) if isinstance(value, torch.Tensor) else value for value in args]
    named = {
        name: _no_elements(value.dtype, value.ndim) if isinstance(value, torch.Tensor) else value
        for name, value in kwargs.items()
    }
    found = operator(*small, **named)
    if not isinstance(found, torch.Tensor):
        return None
    if alone is not None:
        return torch.empty_strided(alone.shape, _strides(alone), dtype=found.dtype, device="meta")
    shape = _broadcast([tensor.shape for tensor in tensors])
    return None if shape is None else _new(found, shape)


def _broadcast(shapes: Sequence[Sequence[int]]) -> list[int] | None:
    """The shape of an elementwise result; None where shapes do not fit (torch says why)."""
    sides = [1] * max(map(len, shapes))
    for shape in shapes:
        for place, side in enumerate(reversed(shape), start=1):
            if side != 1 and sides[-place] not in (1, side):
                return None
            sides[-place] = side if side != 1 else sides[-place]
    return sides


def _strides(tensor: torch.Tensor) -> list[int]:
    """Strides without gaps in the same order of dimensions: what torch gives to an elementwise result."""
    strides, step = [0] * tensor.ndim, 1
    given = tensor.stride() if 0 not in tensor.stride() else [0] * tensor.ndim
    for dim in sorted(range(tensor.ndim), key=lambda dim: (given[dim], -dim)):
        strides[dim], step = step, step * tensor.shape[dim]
    return strides


@lru_cache(maxsize=None)
def _no_elements(dtype: torch.dtype, dims: int) -> torch.Tensor:
    return torch.zeros((0,) * dims, dtype=dtype)


def _product(args: tuple[Any, ...]) -> Any:
    left, right = args
    fits = left.shape[-1] == right.shape[-2] and left.shape[:-2] == right.shape[:-2] and left.dtype == right.dtype
    return _new(left, (*left.shape[:-1], right.shape[-1])) if fits else None


def _added_product(args: tuple[Any, ...]) -> Any:
    return _product(args[1:3]) if args[0].shape[-1] in (1, args[2].shape[-1]) else None


def _normed(args: tuple[Any, ...]) -> Any:
    """Layer norm, or batch norm in evaluation: the output and two statistics that nobody reads."""
    found = _as_first(args)
    return None if found is None else (found, _new(found, (0,)), _new(found, (0,)))


def _batch_normed(args: tuple[Any, ...]) -> Any:
    return None if args[5] else _normed(args)


def _convolved(args: tuple[Any, ...]) -> Any:
    source, weight, _, strides, padding, dilation, transposed, _, groups = args
    dims = weight.ndim - 2
    fits = source.ndim == weight.ndim and source.shape[1] == weight.shape[1] * groups
    if transposed or not fits or not _dense(source) or source.dtype != weight.dtype:
        return None
    padding, strides, dilation = (list(given) * (dims if len(given) == 1 else 1) for given in (padding, strides, dilation))
    sides = [
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, k, s, p, d in zip(source.shape[2:], weight.shape[2:], strides, padding, dilation, strict=True)
    ]
    return _new(source, (source.shape[0], weight.shape[0], *sides)) if min(sides) > 0 else None


def _joined(args: tuple[Any, ...]) -> Any:
    tensors, dim = args[0], args[1] if len(args) > 1 else 0
    first = tensors[0]
    dim %= first.ndim
    if len({(*tensor.shape[:dim], *tensor.shape[dim + 1 :]) for tensor in tensors}) > 1:
        return None
    if not all(tensor.ndim == first.ndim and tensor.dtype == first.dtype for tensor in tensors):
        return None
    return _new(first, (*first.shape[:dim], sum(tensor.shape[dim] for tensor in tensors), *first.shape[dim + 1 :]))


def _reduced(source: torch.Tensor, dims: Any, keep: bool = False) -> Any:
    dims = {dim % source.ndim for dim in ([dims] if isinstance(dims, int) else dims or range(source.ndim))}
    shape = [1 if dim in dims else side for dim, side in enumerate(source.shape) if keep or dim not in dims]
    return _new(source, shape) if source.is_floating_point() else None


def _sorted(args: tuple[Any, ...]) -> Any:
    return _new(args[0], args[0].shape), torch.empty(args[0].shape, dtype=torch.int64, device="meta")


def _highest(args: tuple[Any, ...]) -> Any:
    values = _reduced(*args)
    return None if values is None else (values, torch.empty(values.shape, dtype=torch.int64, device="meta"))


def _upsampled(args: tuple[Any, ...]) -> Any:
    source, size = args[:2]
    return _new(source, (*source.shape[:2], *size)) if _dense(source) else None


_aten = torch.ops.aten
#: pointwise without torch's tag
_WITH_A_NUMBER = (_aten.add.Scalar, _aten.sub.Scalar, _aten.mul.Scalar, _aten.div.Scalar)
#: places, not data: they keep their values, so that what depends on them alone is known
_INDICES = (_aten.arange, _aten.linspace)
_SHAPES: dict[Any, Callable[[tuple[Any, ...]], Any]] = {
    **dict.fromkeys((_aten._softmax.default, _aten._safe_softmax.default), _as_first),
    **dict.fromkeys((_aten.mm.default, _aten.bmm.default), _product),
    _aten.addmm.default: _added_product,
    _aten.native_layer_norm.default: _normed,
    _aten.native_batch_norm.default: _batch_normed,
    _aten.convolution.default: _convolved,
    _aten.upsample_nearest2d.default: _upsampled,
    _aten.cat.default: _joined,
    **dict.fromkeys((_aten.mean.dim, _aten.sum.dim_IntList, _aten.amax.default), lambda args: _reduced(*args)),
    _aten.linalg_vector_norm.default: lambda args: _reduced(args[0], *args[2:4]),
    _aten.max.dim: _highest,
    **dict.fromkeys((_aten.sort.default, _aten.sort.stable), _sorted),
    **dict.fromkeys((_aten.scatter.src, _aten.scatter_add.default), _as_first),
    _aten.gather.default: lambda args: _new(args[0], args[2].shape),
}  # fmt: skip
