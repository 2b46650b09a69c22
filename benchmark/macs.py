"""Multiply-adds of any nn.Module, exactly and by operator, with fvcore's tracing.

Unit: one fused multiply-add counts once. Counted: matrix products, linear layers, convolutions, attention products.
Not counted, by definition: norms, activations, softmax, interpolation, sums, biases, data movement. An operator in
neither list is an error, because a count that leaves out real arithmetic is wrong without showing it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from fvcore.nn.jit_analysis import JitModelAnalysis
from fvcore.nn.jit_handles import get_shape
from torch import nn


class UncountedOperatorError(Exception):
    """An operator has no counting rule and is not known to be free of multiply-adds."""


def _linear(inputs: list[Any], outputs: list[Any]) -> int:
    return prod(get_shape(inputs[0])) * get_shape(inputs[1])[0]


def _addmm(inputs: list[Any], outputs: list[Any]) -> int:
    return prod(get_shape(outputs[0])) * get_shape(inputs[1])[-1]


def _matmul(inputs: list[Any], outputs: list[Any]) -> int:
    # The output has every broadcast dimension; a product of two vectors has none.
    return prod(get_shape(outputs[0])) * get_shape(inputs[0])[-1]


def _convolution(inputs: list[Any], outputs: list[Any]) -> int:
    # Weight (out, in / groups, k...); transposed (in, out / groups, k...), applied once for each input position.
    weight, transposed = get_shape(inputs[1]), bool(inputs[6].toIValue())
    positions = get_shape(inputs[0] if transposed else outputs[0])
    return prod(weight) * positions[0] * prod(positions[2:])


def _attention(inputs: list[Any], outputs: list[Any]) -> int:
    """Q K^T and the product with V; every connection is executed, whatever a mask zeroes."""
    value, key = get_shape(inputs[2]), get_shape(inputs[1])
    output = get_shape(outputs[0])
    rows = prod(output[:-1])
    return rows * key[-2] * (key[-1] + value[-1])


def _einsum(inputs: list[Any], outputs: list[Any]) -> int:
    equation = inputs[0].toIValue().replace(" ", "")
    operands = [get_shape(node) for node in inputs[1].node().inputs()]
    if len(operands) != 2 or "." in equation:
        raise UncountedOperatorError(f"aten::einsum({equation!r}) of {len(operands)} operands has no counting rule")
    left = equation.split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for letters, shape in zip(left, operands, strict=True):
        for letter, size in zip(letters, shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return prod(sizes.values())


RULES = {
    "aten::linear": _linear,
    "aten::addmm": _addmm,
    "aten::matmul": _matmul,
    "aten::mm": _matmul,
    "aten::bmm": _matmul,
    "aten::_convolution": _convolution,
    "aten::scaled_dot_product_attention": _attention,
    "aten::einsum": _einsum,
}

# Operators that multiply and add nothing that this unit counts.
FREE = frozenset(
    "aten::" + name
    for name in """
    abs abs_ adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d add add_ all amax amin any arange argmax
    argmin argsort avg_pool2d batch_norm bitwise_and bitwise_not bitwise_or bitwise_xor broadcast_tensors cat ceil
    chunk clamp clamp_ clamp_min clone constant_pad_nd contiguous copy_ cos cumsum detach div div_ dropout dropout_
    embedding empty empty_like eq exp expand expand_as eye fill_ flatten flip floor floor_divide full full_like
    gather ge gelu group_norm gt hardtanh index index_fill index_put index_put_ index_select instance_norm isnan
    layer_norm le leaky_relu linalg_vector_norm linspace log log_softmax logical_and logical_not logical_or lt
    masked_fill masked_fill_ masked_select max max_pool2d maximum mean min minimum mul mul_ narrow ne neg new_full
    new_ones new_zeros norm normal_ one_hot ones ones_like pad permute pow rand rand_like randn randperm reciprocal
    relu relu_ remainder repeat repeat_interleave reshape reshape_as resolve_conj roll rsqrt rsub scatter scatter_
    scatter_add scatter_add_ select sigmoid sign silu sin size slice softmax softplus sort split split_with_sizes
    sqrt square squeeze stack std sub sub_ sum t tanh tensor_split tile to topk transpose tril triu true_divide
    type_as unbind unflatten unfold uniform_ unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_nearest1d
    upsample_nearest2d var view view_as where zero_ zeros zeros_like __and__ __or__ __xor__ __rshift__ __lshift__
    __irshift__ bitwise_left_shift bitwise_right_shift scalar_tensor lift_fresh alias scatter_reduce fmod floor_
    numel Int ScalarImplicit IntImplicit item argwhere nonzero isfinite
    """.split()
)


class MacAnalysis(JitModelAnalysis):
    """fvcore's analysis with this file's rules: ask it for `total()`, `by_module()`, `by_operator()`."""

    def __init__(self, model: nn.Module, inputs: tuple[Any, ...]):
        super().__init__(model=model, inputs=inputs)
        self.set_op_handle(**RULES)
        self.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")

    def _analyze(self) -> Any:
        fresh = self._stats is None
        with _quiet():
            stats = super()._analyze()
        if fresh:
            self._refuse_unknown(stats)
        return stats

    @staticmethod
    def _refuse_unknown(stats: Any) -> None:
        for module, operators in stats.unsupported_ops.items():
            unknown = sorted(op for op in operators if op.startswith("aten::") and op not in FREE)
            unknown += sorted(op for op in operators if not op.startswith(("aten::", "prim::")))
            if unknown and module:
                raise UncountedOperatorError(
                    f"no counting rule for {', '.join(unknown)} in module {module!r}: the count would be wrong. "
                    "Add a rule to benchmark/macs.py, or list the operator there as free of multiply-adds"
                )
        unknown = sorted(op for op in stats.unsupported_ops.get("", ()) if op.startswith("aten::") and op not in FREE)
        if unknown:
            raise UncountedOperatorError(f"no counting rule for {', '.join(unknown)} in the outermost module")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """fvcore logs every operator that it skips; here the skipped ones are checked instead."""
    logger = logging.getLogger("fvcore.nn.jit_analysis")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode and give each module its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
