"""The same in Hugging Face's models, made from a configuration without any download. Run with `make optional`; the
layout of releases before 5 is written here from its names."""

import pytest
import torch
from torch import nn

import posebench
from posebench import count_flops, create_model
from posebench.pose.models.vitpose_weights import to_ours

optional = pytest.mark.optional
SMALL = {"hidden_size": 72, "num_hidden_layers": 4, "num_attention_heads": 3}


def vit(transformers, **more):
    config = transformers.ViTConfig(image_size=96, patch_size=16, intermediate_size=144, **SMALL, **more)
    return transformers.ViTModel(config), torch.randn(2, 3, 96, 96), "last_hidden_state"


def dinov2(transformers):
    config = transformers.Dinov2Config(image_size=96, patch_size=16, mlp_ratio=2, layerscale_value=0.3, **SMALL)
    return transformers.Dinov2Model(config), torch.randn(2, 3, 96, 96), "last_hidden_state"


def deit(transformers):
    config = transformers.DeiTConfig(image_size=96, patch_size=16, intermediate_size=144, **SMALL)
    return transformers.DeiTModel(config), torch.randn(2, 3, 96, 96), "last_hidden_state"


def vitpose(transformers, experts=1):
    backbone = transformers.VitPoseBackboneConfig(
        image_size=(256, 192), patch_size=(16, 16), mlp_ratio=4, out_indices=[4], layer_norm_eps=1e-6,
        num_experts=experts, part_features=24, **SMALL,
    )  # fmt: skip
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=False)
    return transformers.VitPoseForPoseEstimation(config), torch.randn(2, 3, 256, 192), "heatmaps"


def eager(transformers):
    return vit(transformers, attn_implementation="eager")


@optional
@pytest.mark.parametrize("make", [vit, dinov2, deit, vitpose, eager])
@torch.no_grad()
def test_on_and_off_again(make):
    model, images, name = make(pytest.importorskip("transformers"))
    model.eval()
    for parameter in model.parameters():
        parameter.normal_(std=0.1)
    before = getattr(model(images), name)
    whole = count_flops(model, images).macs
    with posebench.patch(model, "evit", 0.0):
        assert torch.equal(getattr(model(images), name), before)
    for mask in ("tome(r=6)", "evit(keep_ratio=0.7)", "uniform"):
        with posebench.patch(model, mask, None if "(" in mask else 0.4):
            reduced = getattr(model(images), name)
            assert reduced.shape == before.shape and not torch.equal(reduced, before)
            assert 0 < count_flops(model, images).macs < whole
    assert torch.equal(getattr(model(images), name), before)
    assert not any("forward" in vars(module) for module in model.modules())


@optional
@pytest.mark.parametrize("mask", ["tome", "evit", "pitome", "norm", "dpcknn", "ats"])
@torch.no_grad()
def test_hugging_faces_vitpose_patched_computes_what_ours_does(mask, monkeypatch):
    from posebench.pose.models import architectures

    size = architectures._vit(72, 4, 3)
    monkeypatch.setitem(architectures.MODELS, "vitpose_tiny", size)
    theirs, images, _ = vitpose(pytest.importorskip("transformers"))
    torch.manual_seed(0)
    for name, parameter in theirs.eval().named_parameters():
        parameter.normal_(mean=float("norm" in name and "weight" in name), std=0.1)
    ours = create_model("vitpose_tiny", mask=mask, mask_ratio=0.4, decoder="classic").eval()
    ours.load_state_dict(to_ours(theirs.state_dict(), ours))
    with posebench.patch(theirs, ours.transformer.mask.config):
        torch.testing.assert_close(theirs(images).heatmaps, ours(images), rtol=1e-4, atol=1e-5)


@optional
@torch.no_grad()
def test_each_call_of_vitpose_plus_says_its_expert():
    model, images, _ = vitpose(pytest.importorskip("transformers"), experts=3)
    model.eval()
    for parameter in model.parameters():
        parameter.normal_(std=0.1)
    index = torch.tensor([0, 2])
    with posebench.patch(model, "tome(r=6)"):
        both = model(images, dataset_index=index).heatmaps
        other = model(images, dataset_index=index.flip(0)).heatmaps
    assert not torch.equal(both, other)


class _Old(nn.Module):
    """A layer as transformers had it before release 5: attention.attention, intermediate, and an output with the
    residual in it; it returns a tuple."""

    def __init__(self, dim=24, heads=3):
        super().__init__()
        self.layernorm_before, self.layernorm_after = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.Module()
        self.attention.attention, self.attention.output = nn.Module(), nn.Module()
        self.attention.attention.num_attention_heads = heads
        for name in ("query", "key", "value"):
            self.attention.attention.add_module(name, nn.Linear(dim, dim))
        self.attention.output.dense = nn.Linear(dim, dim)
        self.intermediate = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU())
        self.output = nn.Module()
        self.output.dense = nn.Linear(2 * dim, dim)

    def forward(self, x, head_mask=None, output_attentions=False):
        inside, normed = self.attention.attention, self.layernorm_before(x)
        parts = (inside.query, inside.key, inside.value)
        q, k, v = (part(normed).unflatten(2, (3, 8)).transpose(1, 2) for part in parts)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.attention.output.dense(mixed) + x
        return (self.output.dense(self.intermediate(self.layernorm_after(x))) + x,)


class _OldModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings, self.encoder = nn.Module(), nn.Module()
        patches = self.embeddings.patch_embeddings = nn.Conv2d(3, 24, 8, 8)
        patches.image_size, patches.patch_size = (32, 32), (8, 8)
        self.embeddings.cls_token = nn.Parameter(torch.randn(1, 1, 24))
        self.encoder.layer = nn.ModuleList(_Old() for _ in range(3))

    def forward(self, images):
        tokens = self.embeddings.patch_embeddings(images).flatten(2).transpose(1, 2)
        x = torch.cat((self.embeddings.cls_token.expand(len(images), -1, -1), tokens), dim=1)
        for layer in self.encoder.layer:
            x = layer(x, None, False)[0]
        return x


@torch.no_grad()
def test_layers_of_earlier_releases_return_tuples_and_are_known():
    model, images = _OldModel().eval(), torch.randn(2, 3, 32, 32)
    before = model(images)
    with posebench.patch(model, "tome(r=3)") as patched:
        reduced = model(images)
    assert reduced.shape == before.shape and not torch.equal(reduced, before)
    assert patched.schedule.steps == ((0, 13), (1, 10), (2, 7))
    assert torch.equal(model(images), before)
