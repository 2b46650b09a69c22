"""Rules of operators in which other devices and shortcuts run whole layers: torch's own counter is the witness, on the
meta device, where such a layer is made of products that it knows; or a count by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from posebench import count_flops
from posebench.benchmark.counting.products import RULES

META = {"device": "meta"}
CONV = nn.Conv2d(4, 8, (3, 2), 2, groups=2, **META)
IMAGES = torch.empty(2, 4, 9, 7, **META)
STEPS = torch.empty(5, 2, 8, **META)
STACKED = nn.LSTM(8, 16, 2, bidirectional=True, proj_size=4, **META)
SINGLE = nn.GRU(8, 16, **META)
ATTENTION = nn.MultiheadAttention(64, 4, batch_first=True, **META)
QUERIES, KEYS = torch.empty(2, 7, 64, **META), torch.empty(2, 9, 64, **META)
ENCODER = nn.TransformerEncoderLayer(64, 4, 96, batch_first=True, **META)
OVER_TIME = nn.Conv1d(8, 6, 3, **META)

WHOLE = {
    **{
        name: (CONV, (IMAGES,), [IMAGES, CONV.weight], CONV(IMAGES))
        for name in ("mkldnn_convolution", "cudnn_convolution", "_slow_conv2d_forward", "_conv_depthwise2d")
    },
    "convolution": (CONV, (IMAGES,), [IMAGES, CONV.weight, None, [2], [0], [1], False, [0], 2], CONV(IMAGES)),
    "conv_tbc": (
        OVER_TIME, (STEPS.permute(1, 2, 0),), [STEPS, OVER_TIME.weight.permute(2, 1, 0)], torch.empty(3, 2, 6, **META)
    ),
    "_cudnn_rnn": (STACKED, (STEPS,), [STEPS, list(STACKED.parameters())], None),
    "mkldnn_rnn_layer": (SINGLE, (STEPS,), [STEPS, SINGLE.weight_ih_l0, SINGLE.weight_hh_l0], None),
    "_native_multi_head_attention": (ATTENTION, (QUERIES, KEYS, KEYS), [QUERIES, KEYS, KEYS], None),
    "_transformer_encoder_layer_fwd": (
        ENCODER, (QUERIES,), [QUERIES, *[None] * 13, ENCODER.linear1.weight, None, ENCODER.linear2.weight], None
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_layer_in_one_operator_counts_as_the_products_that_it_is_made_of(name):
    layer, inputs, arguments, output = WHOLE[name]
    with FlopCounterMode(display=False) as torchs, torch.no_grad():
        layer.train().requires_grad_(False)(*inputs)  # in evaluation mode torch asks for the shortcut itself
    assert 2 * RULES[f"aten::{name}"](arguments, output) == torchs.get_total_flops() > 0


class Does(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


x, y = torch.zeros(2, 5, 6), torch.zeros(2, 6, 3)
SMALL = {
    "products of a batch that are summed": (lambda: torch.addbmm(torch.zeros(5, 3), x, y), 2 * 5 * 6 * 3),
    "a matrix and a vector": (lambda: torch.addmv(torch.zeros(5), x[0], y[0, :, 0]), 5 * 6),
    "distances within": (lambda: F.pdist(x[0]), 10 * 6),
    "distances within of another norm": (lambda: F.pdist(x[0], 1), 0),
    "places in space": (lambda: F.affine_grid(torch.zeros(2, 3, 4), [2, 1, 4, 5, 6], True), 2 * 120 * 3 * 4),
    "rows without weights": (lambda: F.embedding_bag(torch.zeros(2, 3).long(), torch.zeros(9, 4)), 0),
}


@pytest.mark.parametrize("name", SMALL)
def test_rare_products_are_counted_by_hand(name):
    function, macs = SMALL[name]
    assert count_flops(Does(lambda _: function()), torch.zeros(1)).macs == macs


def test_a_linear_layer_of_one_output_has_a_vector_for_a_weight():
    assert RULES["aten::linear"]([x, torch.zeros(6)], x[..., 0]) == 2 * 5 * 6
    assert RULES["aten::linear"]([x, torch.zeros(3, 6)], x[..., :3]) == 2 * 5 * 6 * 3
