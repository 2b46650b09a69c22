"""Cut connections contribute exactly nothing, in every number format, and cutting none changes nothing."""

import pytest
import torch

from posebench import create_model, load_weights
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.datasets.mpii import SKELETON as MPII
from posebench.pose.errors import InputError
from posebench.pose.joint_mask import joint_mask
from posebench.pose.models.blocks import Attention
from posebench.pose.models.shape import TransformerShape

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
J, N, KEEP = 5, 14, 4
SHAPE = TransformerShape(grid=(7, 2), patch=(1, 1), channels=3, keypoints=J, heatmap=(4, 4), dim=24, heads=3)


def connections():
    """(1, N, KEEP) visual keys of each visual query, itself among them, and the mask that says the same."""
    generator = torch.Generator().manual_seed(0)
    strength = torch.rand(N, N, generator=generator).fill_diagonal_(2)
    index = strength.topk(KEEP, dim=1).indices.sort(dim=1).values[None]
    allowed = torch.ones(1, 1, J + N, J + N, dtype=torch.bool)
    allowed[0, 0, J:, J:] = False
    for query in range(N):
        allowed[0, 0, J + query, J + index[0, query]] = True
    return index, allowed


def attend(attention, x, way):
    """The attention under the same cut connections: fused, with its weights shown, or gathered."""
    index, allowed = connections()
    if way == "gathered":
        return attention.over_connections(x, J, index)
    return attention(x, allowed, need_weights=way == "shown")[0]


def attention_and_tokens(dtype):
    torch.manual_seed(1)
    attention = Attention(SHAPE).to(dtype)
    with torch.no_grad():
        attention.to_qkv.weight.normal_(0, 0.3)
    return attention, torch.randn(1, J + N, 24).to(dtype)


@pytest.mark.parametrize("way", ["fused", "shown", "gathered"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_masked_key_moves_no_query_that_does_not_see_it(dtype, way):
    attention, x = attention_and_tokens(dtype)
    allowed = connections()[1][0, 0]
    with torch.no_grad():
        before = attend(attention, x, way)
        for key in range(J, J + N):
            changed = x.clone()
            changed[0, key] += torch.linspace(-1, 1, 24).to(dtype)
            moved = (attend(attention, changed, way) - before).abs().amax(dim=2)[0]
            blind = ~allowed[:, key]
            blind[key] = False
            assert blind.any() and (moved[blind] == 0).all()
            assert (moved[allowed[:, key]] > 0).all()


@pytest.mark.parametrize("way", ["fused", "shown", "gathered"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_gradient_flows_through_a_masked_connection(dtype, way):
    attention, x = attention_and_tokens(dtype)
    allowed = connections()[1][0, 0]
    x.requires_grad_()
    for query in range(J, J + N):
        (gradient,) = torch.autograd.grad(attend(attention, x, way)[0, query].sum(), x)
        moved = gradient[0].abs().amax(dim=1)
        assert (moved[~allowed[query]] == 0).all()
        assert (moved[allowed[query]] > 0).all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_three_ways_agree(dtype):
    attention, x = attention_and_tokens(dtype)
    with torch.no_grad():
        exact = attend(attention.double(), x.double(), "shown").to(dtype)
        attention.to(dtype)
        for way in ("fused", "shown", "gathered"):
            error = (attend(attention, x, way) - exact).abs().max()
            assert error < 20 * torch.finfo(dtype).eps * exact.abs().max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_keep_ratio_one_with_a_full_joint_mask_is_dense_attention(dtype, lively, features):
    sparse = lively("sparse_tokenpose_tiny", keep_ratio=1.0, joint_mask="full").to(dtype)
    dense = lively("sparse_tokenpose_tiny", mask="none", joint_mask="full").to(dtype)
    for block in dense.transformer.joint_blocks:  # no mask at all, not even a full one
        block.register_forward_pre_hook(lambda module, args: args[:1])
    with torch.no_grad():
        found, expected = (m.transformer(features.to(dtype)) for m in (sparse, dense))
    assert found.std() > 0.1
    assert (found - expected).abs().max() <= 1e-5


def test_a_mask_that_allows_all_is_dense_attention():
    attention, x = attention_and_tokens(torch.float32)
    everything = torch.ones(1, 1, J + N, J + N, dtype=torch.bool)
    with torch.no_grad():
        dense = attention(x)[0]
        assert (attention(x, everything)[0] - dense).abs().max() < 1e-5
        assert (attention(x, everything, need_weights=True)[0] - dense).abs().max() < 1e-5
        all_keys = torch.arange(N).expand(1, N, N)
        assert (attention.over_connections(x, J, all_keys) - dense).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_keep_ratio_and_the_joint_mask_change_the_output(dtype, lively, features):
    outputs = []
    for options in ({}, {"keep_ratio": 0.3}, {"keep_ratio": 0.3, "layers": (1,)}, {"joint_mask": "full"}):
        with torch.no_grad():
            outputs.append(lively("sparse_tokenpose_tiny", **options).to(dtype).transformer(features.to(dtype)).float())
    assert all(output.isfinite().all() for output in outputs)
    for i, output in enumerate(outputs):
        assert all((output - other).abs().max() > 0.05 * output.std() for other in outputs[:i])


@pytest.mark.parametrize("dataset", ["coco", "mpii"])
def test_each_visual_query_keeps_seven_tenths_of_the_visual_keys_and_itself(dataset):
    model = create_model("sparse_tokenpose_s", dataset=dataset).eval()
    seen = []
    for stack in model.transformer.stacks:
        for block in stack:
            block.attention.register_forward_pre_hook(
                lambda module, args, kwargs: seen.append(args[1] if len(args) > 1 else None), with_kwargs=True
            )
    with torch.no_grad():
        model(torch.randn(1, 3, *model.spec.input_size))
    joints = model.spec.num_keypoints
    assert [mask is None for mask in seen] == [True] * 4 + [False] * 8  # cut after blocks 3, 6 and 9
    assert not torch.equal(seen[4], seen[7]) and not torch.equal(seen[7], seen[10])
    for mask in seen[4:]:
        assert (mask[0, 0, joints:, joints:].sum(dim=1) == 180).all()  # ceil(0.7 * 256)
        assert mask[0, 0].diagonal().all()
        assert mask[0, 0, :joints].all() and mask[0, 0, :, :joints].all()


@pytest.mark.parametrize("mpii", [False, True])
def test_the_joint_mask_is_self_neighbours_and_mirror_joint(mpii):
    skeleton = MPII if mpii else COCO
    mask = joint_mask("skeleton", skeleton)
    assert torch.equal(mask, mask.T) and mask.diagonal().all()
    # By name, from anatomy: who is next to whom.
    expected = {
        "right_knee": {"right_knee", "right_ankle", "right_hip", "left_knee"},
        "left_wrist": {"left_wrist", "left_elbow", "right_wrist"},
    }
    expected |= {"thorax": {"thorax", "pelvis", "upper_neck", "left_shoulder", "right_shoulder"}} if mpii else {}
    expected |= {} if mpii else {"nose": {"nose", "left_eye", "right_eye"}}
    for name, others in expected.items():
        row = mask[skeleton.keypoints.index(name)]
        assert {other for other, seen in zip(skeleton.keypoints, row, strict=True) if seen} == others
    assert joint_mask("full", skeleton).all()


def test_a_joint_moves_only_those_that_see_it(lively):
    block = lively("sparse_tokenpose_tiny").transformer.joint_blocks[0]
    mask = joint_mask("skeleton", COCO)
    x = torch.randn(1, 17, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for joint in range(17):
            changed = x.clone()
            changed[0, joint] += torch.linspace(-1, 1, 96)
            moved = (block(changed, mask[None, None]) - block(x, mask[None, None])).abs().amax(dim=2)[0] > 0
            assert torch.equal(moved, mask[:, joint])


def test_the_published_joint_mask_comes_with_the_weights():
    model = create_model("sparse_tokenpose_tiny", joint_mask="published")
    with pytest.raises(InputError, match="comes with the paper's weights"):
        model(torch.zeros(1, 3, 96, 72))
    matrix = torch.eye(17, dtype=torch.bool)
    load_weights(model, model.state_dict() | {"transformer.joint_mask": matrix})
    assert model.eval()(torch.zeros(1, 3, 96, 72)).isfinite().all()


def test_as_published_neither_mask_has_an_effect(lively, features):
    # The reference's float32 code: plain softmax everywhere, positions added once.
    published = lively("sparse_tokenpose_tiny", as_published=True, position_type="sine")
    dense = lively("sparse_tokenpose_tiny", mask="none", joint_mask="full", position_type="sine")
    with torch.no_grad():
        assert torch.equal(published.transformer(features), dense.transformer(features))
    assert create_model("sparse_tokenpose_s", as_published=True).spec.position_type == "sine"
