"""Counts equal the reference's, a closed form and torch's own counter, to the multiply-add."""

import pytest
import torch
from closed_form import SIZES, backbone_macs, masked_macs, transformer_macs
from reference import counts
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from posebench import count_flops, create_model
from posebench.benchmark.counting.flops import flops_row
from posebench.benchmark.counting.products import RULES, UncountedOperatorError
from posebench.pose.datasets import DATASETS
from posebench.pose.errors import InputError
from posebench.pose.reductions import reduction_names
from posebench.pose.reductions.schedule import kept_tokens

REFERENCE = {
    "tokenpose_t": ("tokenpose_t", {}),
    "tokenpose_s_v1": ("tokenpose_s_v1", {}),
    "tokenpose_s_v2": ("tokenpose_s_v2", {}),
    "tokenpose_b": ("tokenpose_b", {}),
    "tokenpose_l_d24": ("tokenpose_l_d24", {}),
    "tokenpose_l_d24_384x288": ("tokenpose_l_d24", {"input_size": (384, 288)}),
    "tokenpose_l_d6_mpii": ("tokenpose_l_d6", {"dataset": "mpii"}),
    "tokenpose_l_d6_coco_no_yaml": ("tokenpose_l_d6", {}),
    "tmpose_b": ("tmpose_b", {}),
    "tmpose_l_d6": ("tmpose_l_d6", {}),
    "tmpose_l_d24": ("tmpose_l", {}),
    "tmpose_l_mpii": ("tmpose_l_d6", {"dataset": "mpii"}),
    "sparsity_s_mpii": ("sparse_tokenpose_s", {"dataset": "mpii", "mask": "sparse", "mask_ratio": 0.3}),
}
# Two layer norms of width 768 that the sparsity paper's code makes and never uses.
UNUSED_PARAMETERS = {"sparsity_s_mpii": 2 * 2 * 768}


def reference_cases():
    for key, (name, options) in REFERENCE.items():
        facts = counts()[key]
        for keep, figures in facts.get("ratios", {"1.0": facts}).items():
            masked = (
                {"mask": "random", "mask_ratio": round(1 - float(keep), 6)} if float(keep) < 1 else {"mask": "none"}
            )
            figures = {**facts, **figures}
            figures["params"] -= UNUSED_PARAMETERS.get(key, 0)
            yield pytest.param(name, {**masked, **options}, figures, id=f"{key}-{keep}")


@pytest.mark.parametrize(("name", "options", "expected"), list(reference_cases()))
def test_counts_equal_the_reference_to_the_multiply_add(name, options, expected):
    count = count_flops(name, **options)
    assert count.params == expected["params"]
    assert count.macs == expected["exact_macs_whole"]
    assert count.macs_transformer == expected["exact_macs_transformer"]
    assert round(count.published_gflops, 6) == expected["published_gflops_whole"]
    if "published_gflops_transformer" in expected:
        assert round(count.published_gflops_t, 6) == expected["published_gflops_transformer"]


def test_the_joint_blocks_cost_what_the_references_cost():
    expected = counts()["sparsity_s_mpii"]
    count = count_flops("sparse_tokenpose_s", dataset="mpii")
    assert count.parts["joint_blocks"] == expected["exact_macs_joint_transformer"]


@pytest.mark.parametrize(("name", "params", "published"), [("ppt_s", 6_669_888, 1.6141), ("ppt_b", 13_514_368, 5.0433)])
def test_ppt_has_its_references_parameters_and_published_gflops(name, params, published):
    count = count_flops(name)
    assert count.params == params
    assert round(count.published_gflops, 4) == published


def test_tmpose_l_at_the_published_mask_has_the_papers_numbers_and_the_exact_ones():
    count = count_flops("tmpose_l")
    assert count.params == 27_531_552
    assert count.macs_transformer == 1_828_786_176
    assert round(count.published_gflops, 6) == 9.416980
    assert round(count.published_gflops_t, 6) == 1.004748
    row = flops_row("tmpose_l")
    assert (row["published_gflops"], row["published_gflops_t"]) == (9.416980, 1.004748)
    assert "macs_needed" not in row  # all of them are


@pytest.mark.parametrize("name", ["tmpose_tiny", "vitpose_tiny"])
@pytest.mark.parametrize("mask", ["semantic", "prune", "tome", "sparse", "sparse(execution=gather)"])
def test_the_parts_of_a_model_add_up_to_it(name, mask):
    count = count_flops(name, mask=mask, mask_ratio=0.4)
    assert sum(count.parts.values()) == count.macs


RATIOS = [0.0, 0.05, 0.2, 0.35, 0.4, 0.5, 0.61, 0.75, 0.9, 0.99]
MASKED = [mask for mask in reduction_names() if mask != "none"]


@pytest.mark.parametrize("dataset", ["coco", "mpii"])
@pytest.mark.parametrize("name", SIZES)
def test_backbones_by_counter_closed_form_and_torch(name, dataset):
    model = create_model(name, dataset=dataset, mask="none").eval().requires_grad_(False)
    images = torch.zeros(1, 3, *model.spec.input_size)
    assert count_flops(model.backbone, (images,)).macs == backbone_macs(name, dataset)
    assert torch_macs(model.backbone, images) == backbone_macs(name, dataset)


def agree(name, dataset, mask, ratio):
    """The counter, the closed form and torch's own counter give the same multiply-adds behind the backbone."""
    sizes = SIZES[name][dataset]
    halving = mask in ("tome", "tofu", "pitome")
    if halving and kept_tokens(sizes.tokens, ratio) * 2**sizes.blocks < sizes.tokens:
        with pytest.raises(InputError, match=r"give a ratio up to|leave at least half"):
            create_model(name, dataset=dataset, mask=mask, mask_ratio=ratio)
        return
    model = create_model(name, dataset=dataset, mask=mask, mask_ratio=ratio).eval().requires_grad_(False)
    stride = model.backbone.stride
    features = torch.zeros(1, model.backbone.channels, *(side // stride for side in model.spec.input_size))
    expected = transformer_macs(name, dataset, mask, ratio)
    count = count_flops(model.transformer, (features,))
    assert count.macs == sum(expected.values()) == torch_macs(model.transformer, features)
    scopes = {part: scope.removeprefix("transformer.") for part, scope in model.parts.items() if part != "backbone"}
    assert {part: count.parts.get(scopes[part], 0) for part in expected} == expected
    skeleton = DATASETS[dataset].skeleton
    pairs = {frozenset(pair) for pair in (*skeleton.limbs, *skeleton.flip_pairs)}
    joint_connections = skeleton.num_keypoints + 2 * len(pairs)
    assert count.macs_masked == masked_macs(name, dataset, mask, ratio, joint_connections)


@pytest.mark.parametrize("number", range(len(RATIOS)))
def test_transformers_by_three_counters_at_ten_ratios(number):
    # Every model, mask and ratio occurs; the slow test below has all their combinations.
    for i, name in enumerate(SIZES):
        agree(name, ("coco", "mpii")[(i + number) % 2], MASKED[(i + number) % len(MASKED)], RATIOS[number])


@pytest.mark.slow
@pytest.mark.parametrize("mask", MASKED)
@pytest.mark.parametrize("dataset", ["coco", "mpii"])
@pytest.mark.parametrize("name", SIZES)
def test_transformers_by_three_counters_in_every_combination(name, dataset, mask):
    for ratio in RATIOS[1::2]:
        agree(name, dataset, mask, ratio)


def torch_macs(module, inputs):
    # On the meta device torch's counter also knows attention, which it counts as 0 on the CPU.
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta")(inputs.to("meta"))
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


class Toy(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.layer = nn.Linear(4, 6)
        self.function = function

    def forward(self, x):
        return self.function(self.layer(x))


def test_any_module_is_counted_with_its_parts():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, groups=1), nn.ReLU(), nn.ConvTranspose2d(8, 2, 2, 2))
    count = count_flops(model, (torch.zeros(1, 3, 10, 12),))
    assert count.parts == {"0": 8 * 27 * 120, "1": 0, "2": 8 * 2 * 4 * 120}


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda y: y @ y.transpose(1, 2), 2 * 5 * 6 * 5),
        (lambda y: torch.matmul(y[:1, :, None], torch.ones(5, 6, 7)), 5 * 1 * 6 * 7),
        (lambda y: torch.einsum("bid,bjd->bij", y, y), 2 * 5 * 5 * 6),
        (lambda y: F.scaled_dot_product_attention(y, y[:, :3], y[:, :3]), 2 * 5 * 3 * 12),
    ],
)
def test_products_are_counted_by_their_broadcast_shape(function, macs):
    assert count_flops(Toy(function), (torch.zeros(2, 5, 4),)).macs == 2 * 5 * 4 * 6 + macs


def test_counting_leaves_the_model_as_it_was():
    model = create_model("tmpose_tiny").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    count_flops(model)
    assert model.training and model.transformer.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_attention_counts_alike_whichever_way_its_tensors_lie():
    heads_first = [torch.empty(shape, device="meta") for shape in ((2, 4, 50, 16), (2, 4, 30, 16), (2, 4, 30, 8))]
    tokens_first = [tensor.transpose(1, 2) for tensor in heads_first]
    expected = 2 * 4 * 50 * 30 * (16 + 8)
    assert RULES["aten::_scaled_dot_product_flash_attention"](heads_first, None) == expected
    assert RULES["aten::_flash_attention_forward"](tokens_first, None) == expected
    with pytest.raises(UncountedOperatorError, match="unequal lengths"):
        RULES["aten::_flash_attention_forward"]([*tokens_first, torch.tensor([0, 50])], None)


def test_connections_that_are_cut_are_not_needed_and_no_token_goes():
    row, count = flops_row("sparse_tokenpose_s"), count_flops("sparse_tokenpose_s")
    assert row["tokens_kept"] == row["tokens_total"] == 256 and row["mask_ratio_mean"] > 0
    assert count.macs_masked > 0
    assert count.gflops_needed == pytest.approx((count.macs - count.macs_masked) / 1e9, rel=1e-12)
    assert count.gflops_t_needed == pytest.approx((count.macs_transformer - count.macs_masked) / 1e9, rel=1e-12)
    assert count_flops(nn.Linear(3, 3), torch.zeros(1, 3)).gflops_t_needed is None
