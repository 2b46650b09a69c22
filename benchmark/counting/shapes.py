"""Shapes that come out of the operators that networks consist of.

torch's own kernels for the meta device are right, and many are Python: the first convolution imports sympy, the first
linear layer torch.compile's whole machinery, a second or more, and each call is slow. These give the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch


def answer(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What comes out of an operator on tensors without values; None where torch's own kernel must say it."""
    if operator in _SHAPES:
        return None if kwargs.keys() - {"stable"} else _SHAPES[operator](args)
    if operator is _aten.clone.default and kwargs.get("memory_format") == torch.contiguous_format:
        return _new(args[0], args[0].shape)
    if "out" not in kwargs and (torch.Tag.pointwise in operator.tags or operator in _WITH_A_NUMBER):
        return _elementwise(operator, args, kwargs)
    return None


def _dense(*tensors: Any) -> bool:
    """Whether all are contiguous and of one floating type: what comes out is, too."""
    dtype = tensors[0].dtype
    return dtype.is_floating_point and all(t.is_contiguous() and t.dtype == dtype for t in tensors)


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


@cache
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
    source, weight, transposed, groups = args[0], args[1], args[6], args[8]
    dims = weight.ndim - 2
    fits = source.ndim == weight.ndim and source.shape[1] == weight.shape[1] * groups
    if transposed or not fits or not _dense(source) or source.dtype != weight.dtype:
        return None
    strides, padding, dilation = ([*given] * (dims if len(given) == 1 else 1) for given in args[3:6])
    sides = [
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, k, s, p, d in zip(source.shape[2:], weight.shape[2:], strides, padding, dilation, strict=True)
    ]
    return _new(source, (source.shape[0], weight.shape[0], *sides)) if min(sides) > 0 else None


def _scattered(args: tuple[Any, ...]) -> Any:
    return _new(args[0], args[0].shape) if args[0].is_contiguous() else None


def _selected(args: tuple[Any, ...]) -> Any:
    source, dim, index = args
    dim %= source.ndim
    return _new(source, (*source.shape[:dim], index.numel(), *source.shape[dim + 1 :]))


def _stacked(args: tuple[Any, ...]) -> Any:
    tensors, dim = args[0], args[1] if len(args) > 1 else 0
    first = tensors[0]
    if any(tensor.shape != first.shape or tensor.dtype != first.dtype for tensor in tensors):
        return None
    dim %= first.ndim + 1
    return _new(first, (*first.shape[:dim], len(tensors), *first.shape[dim:]))


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
    **dict.fromkeys((_aten.scatter.src, _aten.scatter_add.default, _aten.index_add.default), _scattered),
    _aten.index_select.default: _selected,
    _aten.stack.default: _stacked,
    _aten.gather.default: lambda args: _new(args[0], args[2].shape),
}  # fmt: skip
