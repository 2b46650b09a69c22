"""Other counters by rule come to what these counters themselves say of the authors' code, and of ours."""

import json
from dataclasses import replace

import pytest
import torch
from reference import DATA
from torch import nn
from torch.nn import functional as F

from posebench import count_flops, create_model
from posebench.benchmark.counting.conventions import AS_WRITTEN, CONVENTIONS, count_conventions, source_of
from posebench.benchmark.counting.flops import untrained_model
from posebench.pose.errors import InputError

THEIRS = json.loads((DATA / "reference_counters.json").read_text())["models"]
IMAGE = (torch.empty(1, 3, 256, 192, device="meta"),)


@pytest.mark.parametrize("network", THEIRS)
def test_eight_counters_on_a_published_network(network):
    name = network.removesuffix("_plain")
    decoder = {"decoder": name.rsplit("_", 1)[1]} if name.startswith("vitpose") else {}
    model = untrained_model(name.rsplit("_", 1)[0] if decoder else name, **decoder)
    source = replace(source_of(model), wrapped=decoder != {} and not network.endswith("_plain"))
    assert count_conventions(model, IMAGE, tuple(THEIRS[network]), source) == THEIRS[network]


class Attends(nn.Module):
    """A user's: one linear layer with bias on 16 tokens of 8 channels, and a fused attention of two heads."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(8, 8)

    def forward(self, tokens):
        heads = self.project(tokens).unflatten(2, (2, 4)).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads)


def test_a_users_network_is_counted_as_it_is_written():
    counts = count_conventions(Attends(), (torch.zeros(1, 16, 8),))
    linear, attention, bias = 16 * 8 * 8, 2 * 16 * 16 * 8, 16 * 8
    whole = {name: linear + attention for name in ("exact", "torch", "torchprofile")}
    without = {name: linear for name in ("fvcore", "mmcv", "thop")} | {"ptflops": linear + bias}
    more = {"ptflops-aten": linear + bias, "torchinfo": 8 * 8 + 8, "published": 16 * 8 * 16}
    assert counts == whole | without | more
    assert counts["exact"] == count_flops(Attends(), torch.zeros(1, 16, 8)).macs


def few_layers():
    """Of images of 4 x 6 x 6."""
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 4, 2, 2, bias=False),
        nn.GELU(), nn.Upsample(scale_factor=2), nn.Flatten(2), nn.LayerNorm(576), nn.Linear(576, 5),
    )  # fmt: skip


CONVOLUTION, TRANSPOSED, AT_OUTPUT, LINEAR = 8 * 4 * 9 * 36, 8 * 4 * 4 * 36, 8 * 4 * 4 * 144, 4 * 576 * 5
SMALL, WIDE, LARGE = 8 * 36, 4 * 144, 4 * 576  # elements: of norm and ReLU, of GELU, of upsampling and layer norm
EXACT = CONVOLUTION + TRANSPOSED + LINEAR
OF_FEW_LAYERS = {
    "exact": EXACT,
    "torch": EXACT,
    "published": CONVOLUTION + AT_OUTPUT + 4 * 5 * 4,
    "fvcore": EXACT + 2 * SMALL + (1 + 5) * LARGE,
    "mmcv": EXACT + SMALL + 2 * SMALL + SMALL + LARGE + 2 * LARGE,
    "thop": CONVOLUTION + AT_OUTPUT + LINEAR + 4 * SMALL + LARGE + 4 * LARGE,
    "ptflops": EXACT + SMALL + 4 * 5 + 2 * SMALL + 2 * SMALL + 2 * WIDE + 2 * LARGE + LARGE,
    "ptflops-aten": EXACT + SMALL + 4 * 5,
    "torchinfo": (8 * 4 * 9 + 8) * 36 + 2 * 8 + AT_OUTPUT + 2 * 576 + 576 * 5 + 5,
    "torchprofile": CONVOLUTION + AT_OUTPUT + LINEAR + SMALL + LARGE,
}


def test_each_convention_of_a_few_layers_is_what_it_says_by_hand():
    assert count_conventions(few_layers(), (torch.zeros(1, 4, 6, 6),)) == OF_FEW_LAYERS


#: per element of the result; bicubic: 224 to find the weights and 35 to apply them
UPSAMPLING = {"nearest": (2, 1), "linear": (1, 5), "bilinear": (2, 11), "bicubic": (2, 259), "trilinear": (3, 0)}


@pytest.mark.parametrize("mode", UPSAMPLING)
def test_thop_counts_upsampling_by_its_mode_and_a_mode_that_it_does_not_know_as_nothing(mode):
    sides, factor = UPSAMPLING[mode]
    images = torch.zeros(2, 3, *[4] * sides)
    macs = count_conventions(nn.Upsample(scale_factor=2, mode=mode), (images,), ("thop",))
    assert macs == {"thop": factor * 2 * 3 * 8**sides}


class ByKeyword(nn.Sequential):
    def forward(self, x):
        for layer in self:
            x = layer(input=x)
        return x


def test_a_layer_that_is_given_its_input_by_keyword_counts_as_one_that_is_not():
    convolutions = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 2, 4, 2)
    layers = *convolutions, nn.Upsample(scale_factor=2), nn.Linear(16, 5)
    image = (torch.empty(1, 3, 5, 5, device="meta"),)
    expected = count_conventions(nn.Sequential(*layers), image)
    assert expected["thop"] != expected["mmcv"] and count_conventions(ByKeyword(*layers), image) == expected


def test_a_convention_that_is_none_is_named():
    with pytest.raises(InputError, match="convention thopp: give some of exact, published"):
        count_conventions(Attends(), (torch.zeros(1, 16, 8),), ("thopp",))


def _thop(model, image):
    thop = pytest.importorskip("thop")
    return thop.profile(model, (image,), verbose=False)[0]


def _ptflops(model, image, backend="pytorch"):
    ptflops = pytest.importorskip("ptflops")
    quiet = {"as_strings": False, "print_per_layer_stat": False}
    return ptflops.get_model_complexity_info(model, tuple(image.shape[1:]), backend=backend, **quiet)[0]


def _ptflops_aten(model, image):
    return _ptflops(model, image, "aten")


def _torchinfo(model, image):
    return pytest.importorskip("torchinfo").summary(model, input_data=image, verbose=0).total_mult_adds


def _torchprofile(model, image):
    return pytest.importorskip("torchprofile").profile_macs(model, image)


def _fvcore(model, image):
    from fvcore.nn import FlopCountAnalysis

    return FlopCountAnalysis(model, image).unsupported_ops_warnings(False).total()


PACKAGES = {
    "thop": _thop, "ptflops": _ptflops, "ptflops-aten": _ptflops_aten, "torchinfo": _torchinfo,
    "torchprofile": _torchprofile, "fvcore": _fvcore,
}  # fmt: skip
OURS = {
    "classic": ("vitpose_tiny", {"decoder": "classic"}), "simple": ("vitpose_tiny", {"decoder": "simple"}),
    "tokens": ("tmpose_tiny", {"mask": "none"}), "hrnet": ("tokenpose_b", {}), "pruned": ("ppt_s", {}),
}  # fmt: skip


@pytest.mark.optional
@pytest.mark.parametrize("model", OURS)
@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.filterwarnings("ignore")
def test_the_package_itself_says_the_same_of_our_code(package, model):
    name, options = OURS[model]
    image = torch.zeros(1, 3, *create_model(name, **options).spec.input_size)
    ours = count_conventions(create_model(name, **options), (image,), (package,), AS_WRITTEN)[package]
    with torch.no_grad():
        theirs = int(PACKAGES[package](create_model(name, **options).eval(), image))
    # A trace holds a few products of sizes beside.
    assert theirs - ours in range(1000) if package == "torchprofile" else theirs == ours
    assert CONVENTIONS[package].says


@pytest.mark.optional
@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.filterwarnings("ignore")
def test_the_package_itself_says_the_same_of_a_few_layers(package):
    with torch.no_grad():
        assert int(PACKAGES[package](few_layers().eval(), torch.zeros(1, 4, 6, 6))) == OF_FEW_LAYERS[package]


@pytest.mark.optional
@pytest.mark.parametrize("mode", UPSAMPLING)
def test_thop_itself_says_the_same_of_upsampling(mode):
    sides, factor = UPSAMPLING[mode]
    assert _thop(nn.Upsample(scale_factor=2, mode=mode), torch.zeros(2, 3, *[4] * sides)) == factor * 2 * 3 * 8**sides
