"""How much is left in which block."""

import pytest

from posebench import create_model
from posebench.pose.errors import InputError
from posebench.pose.reductions.schedule import kept_tokens

RATIOS = [0.05, 0.2, 0.4, 0.5, 0.61, 0.75, 0.9]
IN_NETWORK = ["prune", "tome"]


def steps(name, **options):
    return create_model(name, **options).spec.schedule.steps


def test_ppt_keeps_seven_tenths_rounded_up_at_three_blocks():
    for name in ("ppt_s", "ppt_b"):
        assert steps(name) == ((3, 180), (6, 126), (9, 89))
    assert steps("ppt_l_d6") == ((3, 180),)
    assert create_model("ppt_s").spec.mask_ratio == 0.657


def test_shares_and_locations_are_parameters():
    assert steps("ppt_s", keep_ratio=(0.5, 0.9), layers=(2, 5)) == ((2, 128), (5, 116))
    assert steps("tokenpose_s_v1", mask="prune", keep_ratio=0.5) == ((3, 128), (6, 64), (9, 32))
    assert steps("sparse_tokenpose_s") == ((3, 180), (6, 180), (9, 180))
    assert steps("sparse_tokenpose_s", keep_ratio=(0.7, 0.5, 0.3)) == ((3, 180), (6, 128), (9, 77))
    assert steps("tokenpose_s_v1", mask="tome", r=8) == tuple((i, 256 - 8 * (i + 1)) for i in range(12))
    assert steps("tokenpose_s_v1", mask="tome", r=200) == tuple((i, max(1, 128 >> i)) for i in range(12))
    assert steps("tokenpose_s_v1", mask="pitome(keep_ratio=0.5, layers=0)") == ((0, 128),)
    assert steps("tokenpose_s_v1", mask="tome(r=200|10, layers=0|11)") == ((0, 128), (11, 118))


def test_an_amount_stays_with_its_location_in_whatever_order_they_are_given():
    assert steps("tmpose_tiny", mask="prune", keep_ratio=(0.5, 0.9), layers=(2, 0)) == ((0, 44), (2, 22))
    assert steps("tmpose_tiny", mask="tome", r=(10, 2), layers=(3, 1)) == ((1, 46), (3, 36))


def test_a_last_share_of_one_does_not_undo_the_others():
    spec = create_model("sparse_tokenpose_s", keep_ratio=(0.5, 0.5, 1.0)).spec
    assert spec.reduction.name == "sparse" and spec.schedule.steps == ((3, 128), (6, 128), (9, 256))
    assert create_model("sparse_tokenpose_s", keep_ratio=1.0).spec.mask == "none"


def test_the_ratio_in_a_tome_message_is_one_that_works():
    with pytest.raises(InputError, match="give a ratio up to") as error:
        create_model("ppt_l_d6", mask="tome", mask_ratio=0.99)
    ratio = float(str(error.value).split()[-1])
    assert create_model("ppt_l_d6", mask="tome", mask_ratio=ratio).spec.tokens_kept <= 5


def test_a_published_schedule_gives_way_to_other_locations_and_ratios(lively):
    assert steps("ppt_s", layers=(3, 6)) == ((3, 150), (6, 87))
    model = create_model("ppt_s")
    for ratio, left in ((0.5, 128), (0.657, 89), (0.0, 256)):
        model.set_mask_ratio(ratio)
        assert model.transformer.schedule.last == left


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("mask", IN_NETWORK)
@pytest.mark.parametrize("name", ["tokenpose_l_d24", "tokenpose_t", "tmpose_tiny"])
def test_as_many_are_left_as_a_mask_of_that_ratio_leaves(name, mask, ratio):
    spec = create_model(name, mask=mask, mask_ratio=ratio).spec
    assert spec.tokens_kept == kept_tokens(spec.tokens_total, ratio) == spec.schedule.steps[-1][1]
    left = [spec.tokens_total, *(count for _, count in spec.schedule.steps)]
    assert all(a >= b >= a / 2 or mask == "prune" for a, b in zip(left, left[1:], strict=False))
    assert left == sorted(left, reverse=True)


@pytest.mark.parametrize("mask", IN_NETWORK)
def test_the_mean_ratio_is_the_mean_over_blocks_of_what_is_gone(mask):
    spec = create_model("tokenpose_s_v1", mask=mask, mask_ratio=0.5).spec
    left, gone = 256, 0.0
    for block in range(12):
        after = dict(spec.schedule.steps).get(block, left)
        gone += (1 - left / 256) / 2 + (1 - after / 256) / 2
        left = after
    assert spec.mean_ratio == pytest.approx(gone / 12)
    assert 0 < spec.mean_ratio < 0.5
    assert create_model("tokenpose_s_v1", mask="random", mask_ratio=0.5).spec.mean_ratio == 0.5
    assert create_model("tokenpose_s_v1").spec.mean_ratio == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": "tome", "mask_ratio": 0.98}, "give a ratio up to 0.9375"),
        ({"mask": "tome", "r": (1.5, 2, 3, 4)}, "whole numbers"),
        ({"mask": "tome", "keep_ratio": 0.7}, "has no parameter 'keep_ratio': it takes layers, r"),
        ({"mask": "prune", "r": 3}, "has no parameter 'r'"),
        ({"mask": "prune", "keep_ratio": 0.0}, "above 0 and up to 1"),
        ({"mask": "prune", "keep_ratio": (0.7, 0.7)}, "2 amounts for 3 layers"),
        ({"mask": "prune", "mask_ratio": 0.2, "keep_ratio": 0.5}, "contradicts"),
        ({"mask": "prune", "mask_ratio": 0.2, "layers": (1, 4)}, "blocks from 0 to 3"),
        ({"mask": "prune", "mask_ratio": 0.2, "layers": (1, 1)}, "distinct"),
        ({"mask": "semantic", "mask_ratio": 0.2, "layers": (1,)}, "has no parameter 'layers'"),
        ({"mask": "prune", "mask_ratio": 0.2, "execution": "gather"}, "has no parameter 'execution'"),
        ({"mask": "prune", "mask_ratio": 0.2, "layer": (1,)}, "did you mean 'layers'"),
        ({"mask": "prune(layers=1,layers=2)", "mask_ratio": 0.2}, "layers is given twice"),
        ({"mask": "prune(layers)", "mask_ratio": 0.2}, "is not param=value"),
        ({"mask": "prune(", "mask_ratio": 0.2}, "is not a mask"),
        ({"mask": "sparse(execution=fast)", "mask_ratio": 0.2}, "give one of dense, gather"),
        ({"mask": "none", "joint_mask": "full"}, "no joint blocks"),
        ({"mask": "prune", "mask_ratio": 0.2, "positions": "prefix"}, "only for masks before the first block"),
        ({"mask": "prune", "keep_ratio": "0.7|x"}, "give a number"),
        ({"mask": "prune", "keep_ratio": ()}, "is empty"),
        ({"mask": "pruned", "mask_ratio": 0.2}, "did you mean 'prune'"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(options, message):
    with pytest.raises(InputError, match=message) as error:
        create_model("tmpose_tiny", **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ppt_s", {}),
        ("ppt_b", {"keep_ratio": (0.5, 0.6), "layers": [2, 7]}),
        ("sparse_tokenpose_tiny", {"execution": "gather", "joint_mask": "full", "mask_ratio": 0.5}),
        ("tmpose_tiny", {"mask": "tome", "r": 5}),
        ("tmpose_tiny", {"mask": "prune", "mask_ratio": 0.4}),
    ],
)
def test_a_model_is_made_again_from_its_own_description(name, options):
    spec = create_model(name, **options).spec
    assert create_model(**spec.create_arguments()).spec == spec


def test_weights_do_not_depend_on_the_ratio_and_it_can_change_between_steps(lively, features):
    import torch

    for mask in ("random", "semantic", "prune", "tome", "sparse"):
        model = lively(mask=mask, mask_ratio=0.3)
        for ratio in (0.6, 0.0):
            other = lively(mask=mask, mask_ratio=ratio)
            other.load_state_dict(model.state_dict())
            model.set_mask_ratio(ratio)
            with torch.no_grad():
                assert torch.equal(model.transformer(features), other.transformer(features))
