"""Which operators multiply nothing that a count of multiply-adds counts: torch says most of it, a short list the rest.

Free by definition: norms, activations, softmax, interpolation, reductions, sums, biases, data movement, random numbers.
A product without a sum (scaling, an outer product) is an activation's kind, not a multiply-add.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

#: names of torch.Tag; an older torch may lack one
_TAGS = ("pointwise", "reduction", "view_copy", "inplace_view")

# What torch's tags leave open. Reductions stand here too, because their tag is young.
_LISTED = frozenset(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _assert_async _assert_scalar _assert_tensor_metadata _backward
    _batch_norm_impl_index _batch_norm_no_update _batch_norm_with_update _conj_physical _copy_from
    _functional_assert_async _functional_assert_scalar _fused_rms_norm _fused_sdp_choice _index_put_impl _is_all_true
    _is_any_true _local_scalar_dense _log_softmax _masked_softmax _native_batch_norm_legit
    _native_batch_norm_legit_functional _native_batch_norm_legit_no_training _pack_padded_sequence _pad_packed_sequence
    _pin_memory _prelu_kernel _resize_output _safe_softmax _shape_as_tensor _softmax _stack _thnn_fused_gru_cell
    _thnn_fused_lstm_cell _to_copy _to_cpu _transform_bias_rescale_qkv _unique _unique2 _unsafe_index _unsafe_index_put
    _unsafe_masked_index _unsafe_view _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d _weight_norm_interface adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d addr all alpha_dropout amax amin
    aminmax any arange argmax argmin argsort argwhere as_strided avg_pool1d avg_pool2d avg_pool3d batch_norm bernoulli
    bincount block_diag bucketize cat channel_shuffle col2im constant_pad_nd copy copy_ count_nonzero cudnn_batch_norm
    cummax cummin cumprod cumsum diag_embed diagonal_scatter dropout elu embedding embedding_renorm_ empty_like equal
    exponential_ feature_dropout fill flip fractional_max_pool2d full_like gather geometric_ glu grid_sampler_2d
    grid_sampler_3d group_norm hardswish histc im2col index index_add index_copy index_fill index_put index_reduce
    index_select instance_norm is_nonzero is_same_size isin kthvalue layer_norm leaky_relu lift linalg_cross
    linalg_vector_norm log_sigmoid_forward logcumsumexp logsumexp masked_fill masked_scatter masked_select max
    max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d mean median min miopen_batch_norm mode
    multinomial nanmedian nansum native_batch_norm native_channel_shuffle native_dropout native_group_norm
    native_layer_norm new_empty new_empty_strided new_full new_ones new_zeros nonzero nonzero_static norm normal normal_
    ones_like pixel_shuffle pixel_unshuffle poisson polar prod put rand_like randint_like randn_like random_
    reflection_pad1d reflection_pad2d reflection_pad3d renorm repeat repeat_interleave replication_pad1d
    replication_pad2d replication_pad3d resize resize_ resize_as_ roll rot90 rrelu_with_noise scatter scatter_add
    scatter_reduce searchsorted segment_reduce select_scatter set_ slice_scatter softmax sort split split_with_sizes
    stack std std_mean sum sym_numel sym_size sym_storage_offset sym_stride take topk trace tril triu unfold unfold_copy
    uniform uniform_ unique_consecutive unique_dim unsafe_chunk unsafe_split unsafe_split_with_sizes upsample_bicubic2d
    upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d
    var var_mean zero zeros_like
    """.split()
)


@cache
def is_free(operator: Any) -> bool:
    """Whether an operator (an OpOverload) is known to do no multiply-add.

    In-place and out variants are as their base operator. Of operators that are not torch's own only the tags are asked.
    """
    schema = getattr(operator, "_schema", None)
    if schema is None:
        return False
    namespace, _, name = schema.name.partition("::")
    if namespace == "prim":
        return True
    if any(_has_tag(variant) for variant in _variants(namespace, name)):
        return True
    if namespace != "aten":
        return False
    return bool({name, name.removesuffix("_")} & _LISTED) or _is_view(schema) or not _takes_tensors(schema)


def _variants(namespace: str, name: str) -> list[Any]:
    packets = [getattr(getattr(torch.ops, namespace), base, None) for base in {name, name.removesuffix("_")} if base]
    return [getattr(packet, overload) for packet in packets if packet is not None for overload in packet.overloads()]


def _has_tag(operator: Any) -> bool:
    return any(getattr(torch.Tag, tag, None) in operator.tags for tag in _TAGS)


def _is_view(schema: Any) -> bool:
    """Whether what comes back is an argument seen otherwise."""
    return any(value.alias_info is not None and not value.alias_info.is_write for value in schema.returns)


def _takes_tensors(schema: Any) -> bool:
    return any("Tensor" in str(argument.type) for argument in schema.arguments)
