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
    if operator in _SORTS and kwargs.keys() <= {"stable", "dim", "descending"}:
        return _sorted(args)
    if operator in _FILLED:
        return _filled(args, kwargs)
    if operator in _SHAPES:
        return None if kwargs else _SHAPES[operator](args)
    if operator is _aten.clone.default and kwargs.get("memory_format") == torch.contiguous_format:
        return _new(args[0], args[0].shape)
    if "out" not in kwargs and (torch.Tag.pointwise in operator.tags or operator in _WITH_A_NUMBER):
        return _elementwise(operator, args, kwargs)
    return None


def _dense(*tensors: Any) -> bool:
    """Whether all are contiguous and of one floating type: what comes out is, too."""
    dtype = tensors[0].dtype
    return dtype.is_floating_point and all(t.is_contiguous() and t.dtype == dtype for t in tensors)


def _layout(source: torch.Tensor) -> torch.memory_format | None:
    """The layout that a convolution or norm of `source` keeps; None where it is neither of the two, or no float."""
    if _dense(source):
        return torch.contiguous_format
    last = source.ndim == 4 and source.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last and source.is_floating_point() else None


def _new(
    like: torch.Tensor, shape: Sequence[int], layout: torch.memory_format = torch.contiguous_format
) -> torch.Tensor:
    return torch.empty(shape, dtype=like.dtype, device="meta", memory_format=layout)


def _as_first(args: tuple[Any, ...]) -> Any:
    return _new(args[0], args[0].shape) if _dense(args[0]) else None


def _elementwise(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A pointwise operator on contiguous tensors: the broadcast shape, and the type that it gives to no elements."""
    if any(isinstance(value, (tuple, list)) for value in args):
        return None
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
    small = [_no_elements(value.dtype, value.ndim) if isinstance(value, torch.Tensor) else value for value in args]
    named = {
        name: _no_elements(value.dtype, value.ndim) if isinstance(value, torch.Tensor) else value
        for name, value in kwargs.items()
    }
    found = operator(*small, **named)
    if not isinstance(found, torch.Tensor):
        return None
    shape = _broadcast([tensor.shape for tensor in tensors])
    if shape is None:
        return None
    if all(tensor.is_contiguous() for tensor in tensors):
        return _new(found, shape)
    return torch.empty_strided(shape, _strides(shape, tensors), dtype=found.dtype, device="meta")


def _broadcast(shapes: Sequence[Sequence[int]]) -> list[int] | None:
    """The shape of an elementwise result; None where shapes do not fit (torch says why)."""
    sides = [1] * max(map(len, shapes))
    for shape in shapes:
        for place, side in enumerate(reversed(shape), start=1):
            if side != 1 and sides[-place] not in (1, side):
                return None
            sides[-place] = side if side != 1 else sides[-place]
    return sides


def _strides(shape: Sequence[int], tensors: Sequence[torch.Tensor]) -> list[int]:
    """Strides without gaps of an elementwise result, in the order of dimensions that torch finds: of any two the one
    whose stride is larger, in the first tensor that has both and in which they differ, is the outer one."""
    dims, seen = len(shape), []
    for tensor in tensors:
        before = dims - tensor.ndim
        own = zip(tensor.shape, shape[before:], tensor.stride(), strict=True)
        seen.append([0] * before + [stride if side == whole else 0 for side, whole, stride in own])
    order = list(reversed(range(dims)))  # from the inner dimension to the outer one
    for place in range(1, dims):
        mine = place
        for other in reversed(range(place)):
            swap = _is_outer(order[other], order[mine], shape, seen)
            if swap > 0:
                order[other], order[mine], mine = order[mine], order[other], other
            elif swap < 0:
                break
    strides, step = [0] * dims, 1
    for dim in order:
        strides[dim], step = step, step * shape[dim]
    return strides


def _is_outer(dim: int, other: int, shape: Sequence[int], seen: Sequence[Sequence[int]]) -> int:
    """1 if a dimension lies outside of another one, -1 if inside, 0 where no tensor says so."""
    for strides in seen:
        one, two = strides[dim], strides[other]
        if one and two:
            if one != two:
                return 1 if one > two else -1
            if shape[dim] > shape[other]:
                return 1
    return 0


@cache
def _no_elements(dtype: torch.dtype, dims: int) -> torch.Tensor:
    return torch.zeros((0,) * dims, dtype=dtype)


def _product(args: tuple[Any, ...]) -> Any:
    left, right = args
    fits = left.shape[-1] == right.shape[-2] and left.shape[:-2] == right.shape[:-2] and left.dtype == right.dtype
    return _new(left, (*left.shape[:-1], right.shape[-1])) if fits else None


def _added_product(args: tuple[Any, ...]) -> Any:
    return _product(args[1:3]) if args[0].shape[-1] in (1, args[2].shape[-1]) else None


def _layer_normed(args: tuple[Any, ...]) -> Any:
    """Layer norm: the output, contiguous, and two statistics that nobody reads."""
    source = args[0]
    if not source.is_floating_point():
        return None
    return _new(source, source.shape), _new(source, (0,)), _new(source, (0,))


def _batch_normed(args: tuple[Any, ...]) -> Any:
    layout = _layout(args[0])
    if args[5] or layout is None:
        return None
    statistics = _new(args[0], (0,))
    return _new(args[0], args[0].shape, layout), statistics, statistics


def _convolved(args: tuple[Any, ...]) -> Any:
    source, weight, transposed, groups = args[0], args[1], args[6], args[8]
    dims = weight.ndim - 2
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    layout = _layout(source)
    fits = source.ndim == weight.ndim and source.shape[1] == channels and source.dtype == weight.dtype
    if layout is None or not fits:
        return None
    strides, padding, dilation, more = ([*given] * (dims if len(given) == 1 else 1) for given in (*args[3:6], args[7]))
    given = zip(source.shape[2:], weight.shape[2:], strides, padding, dilation, more, strict=True)
    if transposed:
        sides = [(side - 1) * s - 2 * p + d * (k - 1) + m + 1 for side, k, s, p, d, m in given]
    else:
        sides = [(side + 2 * p - d * (k - 1) - 1) // s + 1 for side, k, s, p, d, _ in given]
    shape = (source.shape[0], weight.shape[1] * groups if transposed else weight.shape[0], *sides)
    return _new(source, shape, layout) if min(sides) > 0 else None


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


def _filled(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A new tensor, like the first, of the sides that are given, or of its own."""
    like, dtype = args[0], kwargs.get("dtype") or args[0].dtype
    if any(value for name, value in kwargs.items() if name != "dtype"):  # another device or layout
        return None
    if len(args) > 1:
        return torch.empty(args[1], dtype=dtype, device="meta")
    return torch.empty_strided(like.shape, _strides(like.shape, (like,)), dtype=dtype, device="meta")


def _upsampled(args: tuple[Any, ...]) -> Any:
    source, size = args[:2]
    return _new(source, (*source.shape[:2], *size)) if _dense(source) else None


_aten = torch.ops.aten
#: pointwise without torch's tag
_WITH_A_NUMBER = (_aten.add.Scalar, _aten.sub.Scalar, _aten.mul.Scalar, _aten.div.Scalar)
_FILLED = (
    _aten.new_zeros.default, _aten.new_ones.default, _aten.new_full.default, _aten.zeros_like.default,
    _aten.ones_like.default,
)  # fmt: skip
_SORTS = (_aten.sort.default, _aten.sort.stable)
_SHAPES: dict[Any, Callable[[tuple[Any, ...]], Any]] = {
    **dict.fromkeys((_aten._softmax.default, _aten._safe_softmax.default), _as_first),
    **dict.fromkeys((_aten.mm.default, _aten.bmm.default), _product),
    _aten.addmm.default: _added_product,
    _aten.native_layer_norm.default: _layer_normed,
    _aten.native_batch_norm.default: _batch_normed,
    _aten.convolution.default: _convolved,
    _aten.upsample_nearest2d.default: _upsampled,
    _aten.cat.default: _joined,
    **dict.fromkeys((_aten.mean.dim, _aten.sum.dim_IntList, _aten.amax.default), lambda args: _reduced(*args)),
    _aten.linalg_vector_norm.default: lambda args: _reduced(args[0], *args[2:4]),
    _aten.max.dim: _highest,
    **dict.fromkeys((_aten.scatter.src, _aten.scatter_add.default, _aten.index_add.default), _scattered),
    _aten.index_select.default: _selected,
    _aten.stack.default: _stacked,
    _aten.gather.default: lambda args: _new(args[0], args[2].shape),
}  # fmt: skip
