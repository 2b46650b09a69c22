"""Networks of anybody's: torch's own counter on the meta device, halved, or a count by hand is the witness."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from posebench import count_flops
from posebench.benchmark.counting.macs import UncountedOperatorError, Watch, evaluation_mode


class Does(nn.Module):
    """What a function of a layer and the inputs does."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, *inputs):
        return self.function(*inputs, *self.layers)


def attends(x, attention):
    return attention(x, x, x)[0]


ACTIVATIONS = (
    nn.Hardswish(True), nn.SiLU(True), nn.Hardtanh(inplace=True), nn.LeakyReLU(0.1, True), nn.ReLU6(True),
    nn.Mish(True), nn.ELU(inplace=True), nn.GLU(), nn.PReLU(), nn.Softplus(), nn.Hardsigmoid(True),
    nn.RMSNorm(3), nn.Softmax(1),
)  # fmt: skip
ENCODER = nn.TransformerEncoder(nn.TransformerEncoderLayer(128, 4, 256, batch_first=True), 2)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecated, and still in use
    SCRIPTED = torch.jit.script(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)))
zeros = torch.zeros

LIKE_TORCH = {
    "encoder": (ENCODER, zeros(1, 64, 128)),
    "attention": (Does(attends, nn.MultiheadAttention(64, 4, batch_first=True)), zeros(2, 10, 64)),
    "cross attention": (
        Does(lambda x, y, attention: attention(x, y, y)[0], nn.MultiheadAttention(64, 4)),
        (zeros(7, 2, 64), zeros(9, 2, 64)),
    ),
    "decoder": (
        Does(lambda x, layer: layer(x, x), nn.TransformerDecoderLayer(64, 4, batch_first=True)),
        zeros(2, 10, 64),
    ),
    "fused attention of grouped heads": (
        Does(lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True, is_causal=True)),
        (zeros(2, 8, 5, 16), zeros(2, 2, 7, 16)),
    ),
    "gru": (nn.GRU(8, 16, 2, batch_first=True, bidirectional=True), zeros(2, 5, 8)),
    "lstm": (nn.LSTM(8, 16, 2, bidirectional=True, proj_size=4), zeros(5, 2, 8)),
    "activations": (nn.Sequential(nn.Linear(4, 6), *ACTIVATIONS), zeros(2, 4)),
    "grouped and transposed convolutions": (
        nn.Sequential(
            nn.Conv2d(4, 8, 3, 2, groups=2, dilation=2, padding=2),
            nn.GroupNorm(2, 8),
            nn.ConvTranspose2d(8, 6, 3, 2, groups=2),
            nn.PixelUnshuffle(11),
        ),
        zeros(2, 4, 9, 9),
    ),
    "one and three dimensions": (
        nn.Sequential(nn.ConvTranspose3d(4, 6, 2), nn.Flatten(2), nn.Conv1d(6, 2, 3)),
        zeros(2, 4, 3, 3, 3),
    ),
    "without a batch": (nn.Conv2d(4, 8, 3), zeros(4, 8, 8)),
    "channels last": (
        nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2)),
        zeros(2, 4, 8, 8).to(memory_format=torch.channels_last),
    ),
    "three operands": (
        Does(lambda x, y: torch.einsum("bid,bjd,bkj->bik", x, x, y)),
        (zeros(2, 5, 6), zeros(2, 3, 5)),
    ),
    "added products": (Does(lambda x: torch.baddbmm(x @ x, x, x).lerp(x, 0.5)), zeros(2, 5, 5)),
    "half precision": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).bfloat16(), zeros(2, 3, 5, 5).bfloat16()),
}


def as_tuple(inputs):
    return inputs if isinstance(inputs, tuple) else (inputs,)


@pytest.mark.parametrize("name", LIKE_TORCH)
def test_a_count_is_torchs_own_on_the_meta_device_and_the_same_where_it_really_runs(name):
    model, inputs = LIKE_TORCH[name]
    twin = copy.deepcopy(model).eval().requires_grad_(False).to("meta")
    with FlopCounterMode(display=False) as torchs, torch.no_grad():
        twin(*(tensor.to("meta") for tensor in as_tuple(inputs)))
    assert torchs.get_total_flops() > 0
    assert 2 * count_flops(model, inputs).macs == torchs.get_total_flops()
    assert 2 * really_run(model, as_tuple(inputs)).total() == torchs.get_total_flops()


def really_run(model, inputs):
    with evaluation_mode(model):
        return Watch(model, shapes_only=False).run(inputs)


BY_HAND = {
    # two layers of 64 tokens: 4 d^2 and two products of the attention, twice d times 256
    "encoder": (ENCODER, zeros(1, 64, 128), 18_874_368),
    "bilinear": (nn.Bilinear(5, 6, 7), (zeros(2, 5), zeros(2, 6)), 2 * 7 * 6 * (5 + 1)),
    "vectors": (Does(lambda x: torch.outer(x @ x[0], x[1]) * torch.dot(x[0], x[1])), zeros(5, 6), 5 * 6 + 6),
    "added in place": (Does(lambda x: x.clone().baddbmm_(x, x)), zeros(2, 5, 5), 2 * 5**3),
    "few distances": (Does(lambda x: torch.cdist(x, x)), zeros(2, 5, 6), 2 * 5 * 5 * 6),
    "many distances": (Does(lambda x: torch.cdist(x, x)), zeros(2, 50, 6), 2 * 50 * 50 * 6),
    "distances of another norm": (Does(lambda x: torch.cdist(x, x, p=1)), zeros(2, 5, 6), 0),
    "sampling": (
        Does(lambda x, y: F.grid_sample(x, F.affine_grid(y, x.shape, True), align_corners=True)),
        (zeros(2, 3, 4, 4), zeros(2, 2, 3)),
        2 * 16 * 2 * 3,
    ),
    "script": (
        nn.Sequential(SCRIPTED, nn.Linear(2, 2)), zeros(2, 4), 2 * (24 + 12 + 4)
    ),
    "weighted rows": (
        Does(lambda x: F.embedding_bag(x.long(), zeros(9, 4), per_sample_weights=x, mode="sum")), zeros(2, 3), 2 * 3 * 4
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_what_torchs_counter_misses_is_counted_by_hand(name):
    model, inputs, macs = BY_HAND[name]
    assert count_flops(model, inputs).macs == really_run(model, as_tuple(inputs)).total() == macs


def written(buffer, x):
    buffer.add_(x)
    return buffer


@pytest.mark.parametrize(
    "function",
    [
        lambda x, layer: layer(x) if x.sum().item() >= 0 else x,
        lambda x, layer: layer(x[x[:, 0] >= 0]),
        lambda x, layer: layer(x) if written(zeros(5, 6), x + 1).sum().item() > 0 else x,
        lambda x, layer: layer(torch.from_numpy(x.numpy() + 1)),
    ],
)
def test_what_depends_on_values_runs_for_its_count(function):
    assert count_flops(Does(function, nn.Linear(6, 4)), zeros(5, 6)).macs == 5 * 6 * 4


@pytest.mark.parametrize(("function", "name"), [(torch.fft.rfft, "_fft_r2c"), (torch.linalg.inv, "linalg_inv_ex")])
def test_an_operator_that_multiplies_and_has_no_rule_is_an_error_with_the_remedy(function, name):
    model = nn.Sequential(nn.Linear(6, 6), Does(function))
    remedy = rf"aten::{name} in module '1'.*rules=\{{\"aten::{name}\": rule\}}"
    with pytest.raises(UncountedOperatorError, match=remedy):
        count_flops(model, zeros(6, 6))


@torch.library.custom_op("posebench_test::double", mutates_args=())
def double(x: torch.Tensor, times: int = 3) -> torch.Tensor:
    return x * times


def test_a_rule_of_the_users_counts_his_operator_by_its_arguments():
    model = nn.Sequential(nn.Linear(4, 6), Does(torch.ops.posebench_test.double))
    with pytest.raises(UncountedOperatorError, match="posebench_test::double in module '1'"):
        count_flops(model, zeros(2, 4))
    rules = {"posebench_test::double": lambda inputs, output: output.numel() * inputs[1]}
    count = count_flops(model, zeros(2, 4), rules=rules)
    assert count.parts == {"0": 2 * 4 * 6, "1": 2 * 6 * 3}
    assert count.operators == {"aten::addmm": 48, "posebench_test::double": 36}


def test_a_tensor_is_one_input_and_a_batch_counts_as_a_whole():
    one, four = (count_flops(nn.Linear(3, 5), zeros(batch, 3)) for batch in (1, 4))
    assert four.macs == 4 * one.macs == 4 * 15
    assert "for inputs of 4x3" in str(four)
    with pytest.raises(TypeError, match="tensor or a tuple"):
        count_flops(nn.Linear(3, 5), "images")


def test_what_is_given_may_be_a_number_and_no_tensor():
    model = Does(lambda number, layer: layer(zeros(int(number), 6)), nn.Linear(6, 4))
    count = count_flops(model, (5,))
    assert count.macs == 5 * 6 * 4 and count.input_shapes == ()
    assert count_flops(model, torch.tensor(5)).macs == 5 * 6 * 4


@pytest.mark.parametrize("shape", [(6,), (5, 6), (2, 5, 6)])
def test_a_linear_layer_may_be_given_one_vector_and_by_keyword(shape):
    layer = nn.Linear(6, 4)
    for model in (layer, Does(lambda x, layer: layer(input=x), layer)):
        count = count_flops(model, zeros(shape))
        assert count.macs == zeros(shape).numel() * 4
        assert count.published_gflops * 1024**3 == zeros(shape)[..., :4].numel() * (6 if len(shape) < 3 else 5)


def test_what_a_module_asks_of_another_counts_for_the_one_that_asks():
    class Asks(nn.Module):
        def __init__(self, other):
            super().__init__()
            self.other = [other]  # no child

        def forward(self, x):
            return self.other[0](x)

    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer, Asks(layer))
    modules = count_flops(model, zeros(2, 4)).modules
    assert modules == {"": 64, "0": 32, "1": 32}


def test_a_layer_used_twice_counts_twice_and_the_model_stays_as_it_was():
    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer, nn.BatchNorm1d(4), layer, nn.Dropout())
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    assert count_flops(model, zeros(2, 4)).macs == 2 * 2 * 16
    assert model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model[0]._forward_hooks and torch.equal(torch.get_rng_state(), state)
