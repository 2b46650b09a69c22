"""The fused form computes what the model does, and executes what its heatmaps need and no more."""

import copy

import pytest
import torch
from closed_form import SIZES, backbone_macs, transformer_macs
from torch import nn
from torch.nn import functional as F

from posebench.benchmark.counting.flops import count_flops
from posebench.benchmark.runtimes.prepared import Task, prepare
from posebench.pose.fusion.folding import fold_batch_norms
from posebench.pose.fusion.fuse import fuse
from posebench.pose.fusion.packing import pack_weights
from posebench.pose.fusion.short_attention import LOGITS, QUERIES, ShortAttention
from posebench.pose.models.zoo import create_model
from posebench.pose.reductions import reduction_names
from posebench.pose.reductions.schedule import kept_tokens

BLIND = ("random", "uniform", "block", "first", "centre", "prior")
TINY = ("tmpose_tiny", "sparse_tokenpose_tiny", "vitpose_tiny")
LARGE = ("tmpose_l", "tokenpose_b")


def trained(name, mask, **options):
    """A model whose batch norms are not the identity, and whose heatmaps are not small."""
    torch.manual_seed(5)
    ratio = 0.0 if mask == "none" else 0.4
    model = create_model(name, mask=mask, mask_ratio=ratio, **options).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in zip(
                (module.running_mean, module.running_var, module.weight.data, module.bias.data),
                (-1, 0.5, 0.5, -1),
                (1, 2.0, 1.5, 1),
                strict=True,
            ):
                values.uniform_(low, high)
    last = model.decoder.final if name.startswith("vitpose") else model.transformer.head.layers[-1]
    nn.init.normal_(last.weight, std=0.05)
    return model


def assert_fused_equals_eager(model):
    images, ids = torch.randn(2, 3, *model.spec.input_size), torch.tensor([3, 8])
    before = copy.deepcopy(model.state_dict())
    with torch.inference_mode():
        eager = model(images, ids)
        fused = prepare("fused", Task(model, (images, ids))).run(images, ids)
    torch.testing.assert_close(fused, eager, rtol=1e-5, atol=1e-5)
    assert eager.abs().max() > 0.1
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("mask", reduction_names())
@pytest.mark.parametrize("name", TINY)
def test_every_reduction_gives_the_heatmaps_of_eager(name, mask):
    assert_fused_equals_eager(trained(name, mask))


@pytest.mark.parametrize(
    ("mask", "options"),
    [
        ("random", {"positions": "prefix", "draw": "batch"}),
        ("semantic", {"positions": "prefix"}),
        ("uniform", {"position_type": "learnable"}),
        ("random(layers=1)", {}),
        ("sparse(execution=gather)", {}),
    ],
)
def test_options_of_the_model_hold(mask, options):
    assert_fused_equals_eager(trained("tmpose_tiny", mask, **options))


@pytest.mark.slow
@pytest.mark.parametrize("mask", [*BLIND, "none", "semantic", "prune"])
@pytest.mark.parametrize("name", LARGE)
def test_large_models_give_the_heatmaps_of_eager(name, mask):
    assert_fused_equals_eager(trained(name, mask))


@pytest.mark.parametrize("mask", [*BLIND, "none", "semantic", "norm", "prune", "tome", "sparse"])
@pytest.mark.parametrize("name", ["tmpose_tiny", "tokenpose_b"])
def test_what_is_executed_is_counted(name, mask):
    """Of the last block keys, values and the keypoint tokens' queries; of blind masks the kept patches alone."""
    ratio = 0.0 if mask == "none" else 0.4
    s, eager = SIZES[name]["coco"], transformer_macs(name, "coco", mask, ratio)
    model = create_model(name, mask=mask, mask_ratio=ratio).eval()
    kept, schedule = kept_tokens(s.tokens, ratio), model.transformer.schedule
    before, after = schedule.seen[-1] if schedule.removes else (s.tokens, s.tokens)
    # Queries, output, two products and the MLP of each visual token.
    n = s.joints + before
    unread = 2 * before * s.dim**2 + 2 * before * n * s.dim + 2 * s.mlp * after * s.dim**2
    patches = eager["patch_embedding"]
    expected = eager | {"blocks": eager["blocks"] - unread}
    if mask in BLIND:
        expected["patch_embedding"] = patches // s.tokens * kept
    if mask == "prune":  # the keypoint tokens' rows are computed beside a fused attention
        expected["blocks"] += sum(s.joints * (s.joints + schedule.seen[at][0]) * s.dim for at, _ in schedule.steps)
    if mask == "tome":  # what merges behind the last block's attention, nobody reads
        half = before - before // 2
        expected["mask_scoring"] -= half * (before // 2) * s.dim // s.heads if before > after else 0
    count = count_flops(fuse(model))
    found = {part: count.parts[part] for part in expected}
    assert found == expected
    assert count.macs_transformer == sum(expected.values())
    assert count.macs == sum(expected.values()) + backbone_macs(name)


@pytest.mark.parametrize("tokens", [QUERIES - 1, QUERIES])
def test_few_tokens_attend_by_two_products_and_more_by_the_fused_kernel(tokens, monkeypatch):
    attention = create_model("tokenpose_b").transformer.stacks[0][0].attention.eval()
    x, sizes = torch.randn(1, tokens, 192), torch.rand(1, 1, 1, tokens)
    seen = torch.rand(1, 1, tokens, tokens) > 0.5
    seen[..., 0] = True
    short, fused, calls = ShortAttention(attention), F.scaled_dot_product_attention, []
    with torch.inference_mode():
        for mask in (None, sizes, seen):
            expected = attention(x, mask)[0]
            with monkeypatch.context() as patched:
                patched.setattr(F, "scaled_dot_product_attention", lambda *a, **k: calls.append(a) or fused(*a, **k))
                torch.testing.assert_close(short(x, mask)[0], expected, rtol=1e-5, atol=1e-5)
        assert len(calls) == (1 if tokens < QUERIES else 3), "what hides connections stays with the kernel"
        many = x.expand(1 + LOGITS // (4 * 8 * tokens**2), -1, -1)
        torch.testing.assert_close(short(many)[0], attention(many)[0], rtol=0, atol=0)


class Shared(nn.Module):
    """Norms that may not be folded: behind a layer that is run twice, or whose output or weight is read again, and one
    whose own weight is."""

    def __init__(self):
        super().__init__()
        self.twice, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.read, self.norm_of_read = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.alone, self.norm_of_alone = nn.ConvTranspose2d(3, 4, 2, stride=2), nn.BatchNorm2d(4)
        self.flat, self.norm_of_flat = nn.Linear(4, 5), nn.BatchNorm1d(5)
        self.before, self.after = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3)
        self.of_the_batch = nn.BatchNorm2d(3, track_running_stats=False)
        self.tied, self.norm_of_tied = nn.Linear(5, 5, bias=False), nn.BatchNorm1d(5)
        self.last, self.norm_of_last = nn.Linear(5, 5), nn.BatchNorm1d(5)

    def forward(self, x):
        x = self.norm(self.twice(self.twice(x)))
        y = self.read(x)
        x = F.relu(self.norm_of_read(y)) + y
        x = self.of_the_batch(F.relu(self.after(self.before(x))))
        x = self.norm_of_flat(self.flat(F.relu(self.norm_of_alone(self.alone(x))).mean(dim=(2, 3))))
        x = self.norm_of_tied(self.tied(x)) @ self.tied.weight
        return self.norm_of_last(self.last(x)) * self.norm_of_last.weight


def test_a_norm_is_folded_where_it_alone_reads_what_one_layer_makes():
    torch.manual_seed(1)
    module, images = Shared(), torch.randn(4, 3, 9, 7)
    module(images)  # statistics that are not the identity
    module.eval()
    fused = copy.deepcopy(module)
    assert fold_batch_norms(fused, images) == 2
    assert isinstance(fused.norm_of_alone, nn.Identity) and isinstance(fused.norm_of_flat, nn.Identity)
    torch.testing.assert_close(fused(images), module(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "norm", "size", "folded"),
    [
        (nn.Linear(5, 6), nn.BatchNorm1d(6), (4, 5), 1),
        (nn.Linear(5, 6), nn.BatchNorm1d(6), (4, 6, 5), 0),  # the norm is over the six tokens
        (nn.Linear(5, 6), nn.BatchNorm1d(7), (4, 7, 5), 0),
        (nn.Linear(5, 6, bias=False), nn.BatchNorm1d(6, affine=False), (4, 5), 1),
        (nn.Conv1d(5, 6, 3), nn.BatchNorm1d(6), (4, 5, 8), 1),
        (nn.Conv1d(5, 6, 3), nn.BatchNorm1d(6), (5, 8), 0),  # one signal, whose six places are the norm's channels
        (nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6, affine=False), (4, 4, 8, 8), 1),
    ],
)
def test_a_norm_is_folded_where_its_channels_are_what_the_layer_makes(layer, norm, size, folded):
    torch.manual_seed(1)
    module, inputs = nn.Sequential(copy.deepcopy(layer), copy.deepcopy(norm)), torch.randn(size)
    module[1].running_mean.normal_()
    module[1].running_var.uniform_(0.5, 2)
    fused = copy.deepcopy(module.eval())
    assert fold_batch_norms(fused, inputs) == folded
    torch.testing.assert_close(fused(inputs), module(inputs), rtol=1e-5, atol=1e-5)


class InOtherHands(nn.Module):
    """Layers and norms that are not run, or not held, where they are registered, and outputs on the way."""

    def __init__(self):
        super().__init__()
        self.listed = [nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)]
        self.first, self.second = self.listed
        self.by_hand, self.norm_by_hand = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.without_bias, self.norm_of_it = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.shown, self.norm_of_shown = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        for part in self.listed:
            x = part(x)
        norm = self.norm_by_hand
        x = F.batch_norm(self.by_hand(x), norm.running_mean, norm.running_var, norm.weight, norm.bias)
        x = self.norm_of_it(F.conv2d(x, self.without_bias.weight))
        y = self.shown(x)
        return y, {"last": self.norm_of_shown(y)}


def test_what_is_run_in_another_place_than_it_is_registered_computes_the_same():
    torch.manual_seed(1)
    module, images = InOtherHands(), torch.randn(4, 3, 9, 7)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    fused = copy.deepcopy(module.eval())
    assert fold_batch_norms(fused, images) == 1, "that of the list"
    for found, expected in zip(_flat(fused(images)), _flat(module(images)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def _flat(output):
    return output[0], output[1]["last"]


def test_a_network_of_ones_own_runs_fused():
    torch.manual_seed(1)
    module, images = Shared(), torch.randn(4, 3, 9, 7)
    module(images)
    module.eval()
    found = prepare("fused", Task(module, (images,))).run(images)
    torch.testing.assert_close(found, module(images), rtol=1e-5, atol=1e-5)


class AsksItsLayers(nn.Module):
    """As networks do that take pictures in any precision."""

    def __init__(self):
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(4, 6, 3, groups=2), nn.Linear(6, 5)

    def forward(self, x):
        x = self.convolution(x.to(self.convolution.weight.dtype)) + self.convolution.weight.sum()
        x = F.pad(x.mean(dim=(2, 3)), (0, self.linear.in_features - self.convolution.out_channels))
        x = self.linear(x.to(self.linear.weight.dtype)) + self.linear.weight.sum()
        return x / self.convolution.kernel_size[0] / self.convolution.stride[0]


def test_a_layer_that_is_given_a_single_picture_computes_the_same_packed():
    torch.manual_seed(1)
    module, image = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 2)), torch.randn(3, 9, 7)
    with torch.inference_mode():
        packed = pack_weights(copy.deepcopy(module), image)
        torch.testing.assert_close(packed(image), module(image), rtol=1e-5, atol=1e-5)


def test_packed_layers_still_have_their_weights():
    torch.manual_seed(1)
    module, images = AsksItsLayers().eval(), torch.randn(2, 4, 9, 7)
    packed = pack_weights(copy.deepcopy(module), images)
    with torch.inference_mode():
        torch.testing.assert_close(packed(images), module(images), rtol=1e-5, atol=1e-5)
