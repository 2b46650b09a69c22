"""How many multiply-adds each operator that multiplies does: one function per kind, from its inputs and its output.

A rule is a function (inputs, output) -> multiply-adds. `inputs` are the operator's arguments in its schema's order,
defaults filled in; `output` is what it returned. Only shapes may be read: the tensors can be on the meta device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

Rule = Callable[[Sequence[Any], Any], int]


class UncountedOperatorError(Exception):
    """An operator has no counting rule and is not known to be free of multiply-adds."""


def _times(inputs: Sequence[Any], output: Any) -> int:
    """(..., n, k) times (..., k, m), or k: every element of the output is a sum of k products."""
    return prod(output.shape) * inputs[0].shape[-1]


def _added_times(inputs: Sequence[Any], output: Any) -> int:
    """The same behind a first argument that is added."""
    return prod(output.shape) * inputs[1].shape[-1]


def _linear(inputs: Sequence[Any], output: Any) -> int:
    return prod(inputs[0].shape) * (inputs[1].shape[0] if inputs[1].ndim > 1 else 1)


def _added_batches(inputs: Sequence[Any], output: Any) -> int:
    """addbmm: the products of a batch, summed over it."""
    return prod(output.shape) * inputs[1].shape[0] * inputs[1].shape[2]


def _convolution(inputs: Sequence[Any], output: Any) -> int:
    # Weight (out, in / groups, k...); transposed (in, out / groups, k...), applied once for each input position.
    source, weight, transposed = inputs[0], inputs[1], inputs[6]
    batched = source.ndim == weight.ndim
    positions = (source if transposed else output).shape
    return prod(weight.shape) * (positions[0] if batched else 1) * prod(positions[2 if batched else 1 :])


def _direct_convolution(inputs: Sequence[Any], output: Any) -> int:
    """Forms of a convolution that is never transposed."""
    return prod(inputs[1].shape) * output.shape[0] * prod(output.shape[2:])


def _convolution_over_time(inputs: Sequence[Any], output: Any) -> int:
    """conv_tbc: weight (k, in, out), output (time, batch, out)."""
    return prod(inputs[1].shape) * prod(output.shape[:2])


def _attention(inputs: Sequence[Any], output: Any) -> int:
    """Q K^T and the product with V, (B, heads, n, d); every connection is executed, whatever a mask zeroes."""
    query, key, value = (tensor.shape for tensor in inputs[:3])
    return prod(query[:-1]) * key[-2] * (key[-1] + value[-1])


def _attention_tokens_first(inputs: Sequence[Any], output: Any) -> int:
    """The same where tensors are (B, n, heads, d)."""
    query, key, value = (tensor.shape for tensor in inputs[:3])
    if len(query) != 4 or any(isinstance(given, torch.Tensor) for given in inputs[3:6]):
        raise UncountedOperatorError("attention over sequences of unequal lengths has no counting rule")
    return prod(query[:-1]) * key[1] * (key[-1] + value[-1])


def _multi_head_attention(inputs: Sequence[Any], output: Any) -> int:
    """Projections of queries, keys and values, both products, projection of the output (B, n, dim)."""
    (batch, queries, dim), keys = inputs[0].shape, inputs[1].shape[1]
    return batch * (2 * dim * dim * (queries + keys) + 2 * queries * keys * dim)


def _encoder_layer(inputs: Sequence[Any], output: Any) -> int:
    """A whole nn.TransformerEncoderLayer: its attention and its two linear layers."""
    source = inputs[0]
    hidden = prod(inputs[14].shape) + prod(inputs[16].shape)
    return _multi_head_attention((source, source), output) + source.shape[0] * source.shape[1] * hidden


def _recurrent_layer(inputs: Sequence[Any], output: Any) -> int:
    """One layer and direction: two matrices, on what comes in and on the state, at each step."""
    return prod(inputs[0].shape[:-1]) * (prod(inputs[1].shape) + prod(inputs[2].shape))


def _recurrent_network(inputs: Sequence[Any], output: Any) -> int:
    """All layers and directions: every matrix at each step."""
    return prod(inputs[0].shape[:-1]) * sum(prod(weight.shape) for weight in inputs[1] if weight.ndim == 2)


def _trilinear(inputs: Sequence[Any], output: Any) -> int:
    """nn.Bilinear, x1^T W x2: the first product over all, the second over what the first leaves."""
    first, weight, second, expand = *inputs[:3], inputs[3:6]
    if [list(dims) for dims in (*expand, inputs[6])] != [[1, 3], [0], [1, 2], [2, 3]]:
        raise UncountedOperatorError("aten::_trilinear other than of nn.Bilinear has no counting rule")
    return first.shape[0] * weight.shape[0] * second.shape[1] * (first.shape[1] + 1)


def _distances(inputs: Sequence[Any], output: Any) -> int:
    """cdist: squared differences are summed for p = 2, as many multiply-adds as the product; other norms have none."""
    return prod(output.shape) * inputs[0].shape[-1] if inputs[2] == 2 else 0


def _distances_within(inputs: Sequence[Any], output: Any) -> int:
    return prod(output.shape) * inputs[0].shape[-1] if inputs[1] == 2 else 0


def _euclidean(inputs: Sequence[Any], output: Any) -> int:
    return prod(output.shape) * inputs[0].shape[-1]


def _affine_grid(inputs: Sequence[Any], output: Any) -> int:
    """Each coordinate is a row of (2, 3) or (3, 4) times a place."""
    return prod(output.shape) * (output.shape[-1] + 1)


def _weighted_rows(inputs: Sequence[Any], output: Any) -> int:
    """EmbeddingBag: rows are summed, each times its weight if it has one."""
    return prod(inputs[1].shape) * inputs[0].shape[-1] if inputs[6] is not None else 0


def _vectors(inputs: Sequence[Any], output: Any) -> int:
    return prod(inputs[0].shape)


RULES: dict[str, Rule] = {
    f"aten::{name}": rule
    for rule, names in {
        _times: "mm bmm mv matmul _int_mm _scaled_mm _scaled_mm_v2 _weight_int8pack_mm",
        _added_times: "addmm baddbmm addmv _addmm_activation",
        _added_batches: "addbmm",
        _linear: "linear",
        _vectors: "dot vdot",
        _convolution: "convolution _convolution convolution_overrideable",
        _direct_convolution: "mkldnn_convolution cudnn_convolution _slow_conv2d_forward _conv_depthwise2d",
        _convolution_over_time: "conv_tbc",
        _attention: "_scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu"
        " _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"
        " _scaled_dot_product_fused_attention_overrideable _scaled_dot_product_attention_math_for_mps",
        _attention_tokens_first: "_flash_attention_forward _efficient_attention_forward",
        _multi_head_attention: "_native_multi_head_attention _triton_multi_head_attention",
        _encoder_layer: "_transformer_encoder_layer_fwd",
        _recurrent_layer: "mkldnn_rnn_layer",
        _recurrent_network: "_cudnn_rnn",
        _trilinear: "_trilinear",
        _distances: "_cdist_forward",
        _distances_within: "_pdist_forward",
        _euclidean: "_euclidean_dist",
        _affine_grid: "affine_grid_generator",
        _weighted_rows: "_embedding_bag _embedding_bag_forward_only",
    }.items()
    for name in names.split()
}
