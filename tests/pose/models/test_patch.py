"""`posebench.patch`: a reduction in somebody else's vision transformer computes what it computes in ours, and is off
again without a trace."""

import copy

import pytest
import torch
from timm_layout import Attention, VisionTransformer, from_ours
from torch import nn

import posebench
from posebench import count_flops, create_model
from posebench.pose.errors import InputError
from posebench.pose.reductions import reduction_names

IMAGES = torch.randn(2, 3, 96, 72, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(1)
    return VisionTransformer(class_token=True, layer_scale=0.3, qk_norm=True).eval()


@torch.no_grad()
def run(model):
    return model(IMAGES)


def bits(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("mask", [name for name in reduction_names() if name != "none"])
@torch.no_grad()
def test_each_reduction_gives_what_it_gives_in_our_transformer(mask):
    torch.manual_seed(2)
    ours = create_model("vitpose_tiny", mask=mask, mask_ratio=0.4).eval().transformer
    for name, value in ours.named_parameters():
        if value.ndim > 1:
            value.copy_(torch.randn_like(value) * (0.5 if "table" in name else 1.5 * value[0].numel() ** -0.5))
    theirs = from_ours(ours)
    layers = [layer for layer in range(4) if ours.mask.acts_in(layer)]
    with posebench.patch(theirs, ours.mask.config, **({"layers": layers} if layers else {})) as patched:
        patched.reducer.load_state_dict(ours.mask.state_dict())
        assert patched.schedule == ours.schedule
        torch.testing.assert_close(
            run(theirs), ours(IMAGES).flatten(2).transpose(1, 2), rtol=1e-5, atol=2e-5
        )


@pytest.mark.parametrize("mask", ["tome(r=0)", "none", "evit", "sparse"])
def test_a_ratio_of_nothing_changes_no_bit(plain, mask):
    before = run(plain)
    with posebench.patch(plain, mask, None if "r=" in mask else 0.0):
        assert torch.equal(run(plain), before)


@pytest.mark.parametrize("mask", ["tome(r=8)", "scorer", "norm", "dynamicvit"])
def test_taken_off_again_every_bit_is_as_before(plain, mask):
    before, weights, modules = run(plain), bits(plain), [name for name, _ in plain.named_modules()]
    with posebench.patch(plain, mask, None if "r=" in mask else 0.5):
        assert not torch.equal(run(plain), before)
    assert torch.equal(run(plain), before)
    assert all(torch.equal(value, weights[name]) for name, value in plain.state_dict().items())
    assert [name for name, _ in plain.named_modules()] == modules
    assert not any("forward" in vars(module) or module._forward_hooks for module in plain.modules())


def test_class_tokens_stay_and_the_grid_is_dense_unless_it_is_not_wanted(plain):
    tokens = 12 * 9
    with posebench.patch(plain, "tome", 0.5):
        assert run(plain).shape == (2, 1 + tokens, 72)
    with posebench.patch(plain, "tome", 0.5, restore=False):
        assert run(plain).shape == (2, 1 + tokens // 2, 72)
    with posebench.patch(plain, "uniform", 0.5) as patched:
        given = []
        hook = plain.blocks[0].attn.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].shape[1]))
        run(plain)
        hook.remove()
    assert given == [1 + tokens // 2] and patched.schedule.total == tokens // 2


def test_evit_keeps_what_the_class_token_looks_at(plain):
    block = plain.blocks[0]
    seen = []
    hook = block.norm1.register_forward_hook(lambda *_: seen.append(_[2]))
    before = run(plain)
    hook.remove()
    q, k, _ = block.attn.qkv(seen[0]).reshape(2, 109, 3, 3, 24).permute(2, 0, 3, 1, 4)
    q, k = block.attn.q_norm(q), block.attn.k_norm(k)
    attention = ((q[:, :, :1] * 24**-0.5) @ k.transpose(2, 3)).softmax(dim=3).mean(dim=1)[:, 0, 1:]
    top = attention.argsort(dim=1, descending=True)[:, :54]
    with posebench.patch(plain, "prune(layers=0)", 0.5) as patched:
        states = []
        patched.reducer.register_forward_hook(lambda _, inputs, output: states.append(output[1].token_indices))
        assert not torch.equal(run(plain), before)
    assert torch.equal(states[0].sort(dim=1).values, top.sort(dim=1).values)


def test_a_patched_model_is_counted_without_being_run(plain):
    """12 n d^2 with MLP x2 is 8 n d^2, and 2 n^2 d for the products; tome merges between attention and MLP."""
    whole = count_flops(plain, IMAGES[:1]).macs
    with posebench.patch(plain, "tome(r=20, layers=1)", restore=False):
        macs = count_flops(plain, IMAGES[:1]).macs
        on_meta = count_flops(copy.deepcopy(plain).to("meta"), IMAGES[:1].to("meta")).macs
    n, d, left = 1 + 108, 72, 1 + 88
    linear = [(4 * n * d * d, 4 * n * d * d), *[(4 * n * d * d, 4 * left * d * d)], *[(4 * left * d * d,) * 2] * 2]
    products = 2 * d * (n * n * 2 + left * left * 2)
    patches = 108 * 3 * 64 * 72
    matching = 54 * 54 * 24
    assert macs == on_meta == patches + sum(map(sum, linear)) + products + matching < whole
    assert count_flops(plain, IMAGES[:1]).macs == whole


def test_a_copy_is_patched_by_itself(plain):
    with posebench.patch(plain, "tome", 0.4):
        twin, reduced = copy.deepcopy(plain), run(plain)
        with torch.no_grad():
            for parameter in plain.blocks.parameters():
                parameter.mul_(2)
        assert torch.equal(run(twin), reduced)
        with torch.no_grad():
            for parameter in plain.blocks.parameters():
                parameter.div_(2)
    assert torch.equal(run(twin), reduced)


def test_gradients_flow_through_a_patched_model(plain):
    with posebench.patch(plain, "tome", 0.4):
        plain(IMAGES).square().sum().backward()
    assert all(parameter.grad is not None for parameter in plain.parameters())
    plain.zero_grad()


class Biased(Attention):
    """An attention that adds what no layout says."""

    def forward(self, x):
        return super().forward(x) + 1


def biased():
    model = VisionTransformer()
    for block in model.blocks:
        block.attn.__class__ = Biased
    return model


@pytest.mark.parametrize(
    ("model", "mask", "more", "says"),
    [
        (nn.Linear(2, 2), "tome(r=8)", {}, "Linear: no vision transformer of a known layout: looked for .*attn.qkv"),
        (nn.ModuleList([VisionTransformer(), VisionTransformer()]), "tome(r=8)", {}, r"several transformers \(0, 1\)"),
        (biased(), "tome(r=8)", {}, "do more than attention and MLP"),
        (VisionTransformer(), "tome", {}, "without a mask ratio"),
        (VisionTransformer(), "sparse(execution=gather)", {"mask_ratio": 0.3}, "leave execution out"),
    ],
)
def test_what_cannot_be_patched_is_said_in_one_line(model, mask, more, says):
    with pytest.raises(InputError, match=says):
        posebench.patch(model, mask, **more)


def test_a_model_is_patched_once_and_at_its_own_size(plain):
    with posebench.patch(plain, "tome(r=8)"), pytest.raises(InputError, match="patched already"):
        posebench.patch(plain, "evit", 0.4)
    with posebench.patch(plain, "tome(r=8)", grid=(4, 4)), pytest.raises(InputError, match="give grid="):
        run(plain)


def test_a_model_of_ones_own_that_takes_no_mask_is_patched_where_it_can_be():
    """`--model package.module:name --mask tome`, in every command."""
    own = {"name": "timm_layout:build_pose", "input_size": (96, 72)}
    masked = create_model(**own, mask="random", mask_ratio=0.5).eval()
    assert masked.spec.grid == (12, 9) and masked.spec.tokens_kept == 54
    ids = torch.tensor([7, 3])
    both = masked.kept_indices(IMAGES, ids)
    assert torch.equal(masked.kept_indices(IMAGES[1:], ids[1:]), both[1:]), "a sample's mask is its own in any batch"
    whole, less = (count_flops(own["name"], input_size=(96, 72), mask=m, mask_ratio=r).macs
                   for m, r in (("none", 0.0), ("tome", 0.5)))  # fmt: skip
    assert less < whole
    with pytest.raises(InputError, match=r"own_model:build: takes no mask.*looked for timm's"):
        create_model("own_model:build", mask="tome", mask_ratio=0.5)
