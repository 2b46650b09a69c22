"""Which tokens go is decided in float32, whatever the model computes in; on CUDA sums have a fixed order."""

import contextlib
import copy
from dataclasses import replace

import pytest
import torch

from posebench.pose.models.blocks import GATHERED_BYTES, Attention, attend
from posebench.pose.models.reducer import TokenReducer
from posebench.pose.models.shape import TransformerShape
from posebench.pose.reductions import groups, pitome, reduction_names, tome
from posebench.pose.reductions.context import Attended

WAYS = {
    "autocast to bfloat16": (torch.float32, torch.bfloat16),
    "weights in bfloat16": (torch.bfloat16, None),
    "weights in float16": (torch.float16, None),
}
CONTENT = [name for name in reduction_names() if name not in ("none", "random", "uniform", "block", "first", "centre")]


def widened(context, look):
    attn = context.attn and Attended(*(part if part is None else part.float() for part in vars(context.attn).values()))
    return replace(context, content=context.content.float(), attn=attn, keypoint_attention=look)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CONTENT)
def test_in_half_precision_those_tokens_go_that_go_in_float32(lively, features, monkeypatch, name, way):
    """At each place where the half-precision model chooses, float32 chooses the same from the same tokens."""
    dtype, autocast = WAYS[way]
    model = lively(mask=name, mask_ratio=0.4).to(dtype).transformer
    exact = copy.deepcopy(model).float()
    half, choices, entered = TokenReducer.forward, [], []
    before = TokenReducer.before_blocks

    def remembering(reducer, tokens, content, keypoints, *rest):
        entered.append((keypoints, tokens))
        return before(reducer, tokens, content, keypoints, *rest)

    def both(reducer, tokens, context, ids, block=None):
        chosen, selected = half(reducer, tokens, context, ids, block)
        if selected is not None:
            def look():
                if block is not None:
                    return context.attn.weights.float()[:, :, : context.prefix, context.prefix :].mean(dim=1)
                return exact.stacks[0][0].look(*(part.float() for part in entered[-1]))

            with torch.autocast("cpu", enabled=False):
                expected = half(exact.mask, tokens.float(), widened(context, look), ids, block)[1]
            choices.append((selected, expected))
            assert chosen.dtype == tokens.dtype
        return chosen, selected

    monkeypatch.setattr(TokenReducer, "forward", both)
    monkeypatch.setattr(TokenReducer, "before_blocks", remembering)
    with torch.no_grad(), torch.autocast("cpu", autocast) if autocast else contextlib.nullcontext():
        heatmaps = model((40 * features).to(dtype))
    assert torch.isfinite(heatmaps).all()
    assert choices
    for selected, expected in choices:
        assert torch.equal(selected.token_indices, expected.token_indices)
        for own, wanted in ((selected.source, expected.source), (selected.connections, expected.connections)):
            assert own is wanted is None or torch.equal(own, wanted)


@pytest.mark.parametrize("autocast", [False, True])
def test_the_attention_that_tokens_are_chosen_by_is_float32s_of_the_same_queries_and_keys(autocast):
    q, k, v = torch.randn(3, 2, 4, 50, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    _, exact = attend(q.float(), k.float(), v.float(), None, scale=0.25, need_weights=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        mixed, shown = attend(q, k, v, None, scale=0.25, need_weights=True)
        _, rows = attend(q, k, v, None, scale=0.25, need_weights=False, rows=7)
    assert mixed.dtype == torch.bfloat16
    assert torch.equal(shown.weights, exact.weights)
    assert torch.allclose(rows.weights, exact.weights[:, :, :7], rtol=1e-6)


def test_a_reductions_own_weights_stay_in_float32_when_a_model_is_cast(lively):
    model = lively(mask="scorer", mask_ratio=0.4)
    before = model.transformer.mask.linear.weight.detach().clone()
    model.to(torch.bfloat16)
    assert model.transformer.head is not None and model.backbone is not None
    assert torch.equal(model.transformer.mask.linear.weight, before)
    assert model.transformer.stacks[0][0].attention.to_out.weight.dtype == torch.bfloat16


def test_a_reductions_own_weights_follow_a_model_that_is_cast_to_a_wider_type(lively):
    model = lively(mask="scorer", mask_ratio=0.4).double()
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float64}


@pytest.mark.parametrize("name", ["tome", "tofu", "evit", "pitome", "dpcknn"])
def test_the_form_without_scattered_sums_that_cuda_runs_merges_alike(lively, features, monkeypatch, name):
    model = lively(mask=name, mask_ratio=0.4).transformer
    with torch.no_grad():
        scattered, kept = model(features), model.kept_indices(features)
        for module in (groups, tome, pitome):
            monkeypatch.setattr(module, "by_products", lambda tensor: True)
        for forbidden in ("index_add", "scatter_add"):
            monkeypatch.setattr(torch.Tensor, forbidden, None)
        assert torch.equal(model.kept_indices(features), kept)
        assert torch.allclose(model(features), scattered, atol=1e-4)


def test_connections_gathered_image_by_image_are_those_gathered_head_by_head(monkeypatch):
    shape = TransformerShape.__new__(TransformerShape)
    for field, value in {"dim": 32, "heads": 4, "attention_scale": "head", "qkv_bias": False}.items():
        object.__setattr__(shape, field, value)
    attention = Attention(shape).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3 + 20, 32, generator=generator)
    connections = torch.rand(5, 20, 20, generator=generator).topk(6, dim=2).indices
    with torch.no_grad():
        by_head = attention.over_connections(x, 3, connections)
        q, k, v = (attention.split(part) for part in attention.to_qkv(x).chunk(3, dim=2))
        elsewhere = [tensor.to("meta") for tensor in (q, k, v, connections)]
        assert len(attention._apart(*elsewhere)) == 1
        monkeypatch.setattr("posebench.pose.models.blocks.GATHERED_BYTES", 2 * 4 * 20 * 6 * 32 * 2)
        sizes = [len(part[0]) for part in attention._apart(*elsewhere)]
        assert sizes == [2, 2, 1]
        parts = zip(*(part.split(sizes) for part in (q, k, v, connections)), strict=True)
        visual = torch.cat([attention._gathered(*part, 3) for part in parts])
    for_keypoints = torch.nn.functional.scaled_dot_product_attention(q[:, :, :3], k, v, scale=attention.scale)
    mixed = torch.cat((for_keypoints, visual), dim=2)
    assert torch.allclose(attention.to_out(mixed.transpose(1, 2).flatten(2)), by_head, atol=1e-6)
    assert GATHERED_BYTES > 2**20
