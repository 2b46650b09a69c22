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
