"""ViTPose against its reference's numbers, a closed form and torch's own counter."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from vitpose_reference import DATA, hugging_face, made_up_weights, write_folder
from weight_recipe import made_up_images

from posebench import count_flops, create_model, load_weights
from posebench.pose.errors import InputError
from posebench.pose.models.vitpose_weights import original_name
from posebench.pose.reductions.context import Selected
from posebench.pose.reductions.descriptor import NOTHING
from posebench.pose.reductions.tokens import restore

# dim, blocks, heads, parameters with the classic decoder (the sizes of the paper's table 1)
SIZES = {
    "vitpose_s": (384, 12, 12, 24_290_577),
    "vitpose_b": (768, 12, 12, 89_994_513),
    "vitpose_l": (1024, 24, 16, 308_544_785),
    "vitpose_h": (1280, 32, 16, 637_208_849),
}
FACTS = json.loads(DATA.with_suffix(".json").read_text())
FILES = {"s_classic": ("vitpose_s", "classic"), "b_simple": ("vitpose_b", "simple")}


@pytest.mark.parametrize("file", FILES)
def test_heatmaps_equal_the_references_and_both_naming_schemes_load_the_same(tmp_path, file):
    name, decoder = FILES[file]
    model = create_model(name, decoder=decoder)
    weights = made_up_weights(model)
    load_weights(model, {"state_dict": {**weights, "backbone.cls_token": torch.zeros(1, 1, SIZES[name][0])}}).eval()
    expected = {key.removeprefix(f"{file}__"): torch.from_numpy(values) for key, values in np.load(DATA).items()}
    images = made_up_images(0, 256, 192)
    with torch.inference_mode():
        patches = model.transformer.patch_embedding(images[:1])[0]
        features = model.transformer(images)
        heatmaps = model.decoder(features)
    near = {"rtol": 0, "atol": 2e-5}
    torch.testing.assert_close(patches[::16, ::24], expected["patches"], **near)
    torch.testing.assert_close(features[0, ::24, ::3, ::3], expected["features"], **near)
    torch.testing.assert_close(heatmaps[:, :, 3::8, 2::8], expected["heatmaps"], **near)
    torch.testing.assert_close(heatmaps.double().mean((2, 3)), expected["sums"] / 3072, **near)

    named = hugging_face(weights)
    if name == "vitpose_s":
        named = write_folder(tmp_path / "hf", weights, backbone_config={"hidden_size": 384}, use_simple_decoder=False)
    other = load_weights(create_model(name, decoder=decoder), named).state_dict()
    assert all(torch.equal(tensor, other[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("file", FILES)
def test_names_and_shapes_are_the_references(file):
    name, decoder = FILES[file]
    with torch.device("meta"):
        model = create_model(name, decoder=decoder)
    shapes = FACTS[f"vitpose_{file}"]["shapes"]
    assert {original_name(n): list(t.shape) for n, t in model.state_dict().items()} == shapes


def closed_form(name, decoder, tokens=192, joints=17):
    """768 d N + L (12 N d^2 + 2 N^2 d), and the decoder: by part."""
    dim, blocks, _, _ = SIZES[name]
    classic = tokens * dim * 256 * 16 + 4 * tokens * 256 * 256 * 16 + 16 * tokens * 256 * joints
    return {
        "patch_embedding": 768 * dim * tokens,
        "blocks": blocks * (12 * tokens * dim**2 + 2 * tokens**2 * dim),
        "decoder": classic if decoder == "classic" else 16 * tokens * 9 * dim * joints,
    }


@pytest.mark.parametrize("size", [None, (384, 288), (256, 256)])
@pytest.mark.parametrize("decoder", ["classic", "simple"])
@pytest.mark.parametrize("name", SIZES)
def test_torchs_counter_and_the_closed_form_agree_to_the_multiply_add(name, decoder, size):
    with torch.device("meta"):
        model = create_model(name, decoder=decoder, input_size=size).eval()
        images = torch.zeros(1, 3, *model.spec.input_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    assert counter.get_total_flops() == 2 * sum(closed_form(name, decoder, model.spec.tokens_total).values())
    if decoder == "classic" and size is None:
        assert sum(parameter.numel() for parameter in model.parameters()) == SIZES[name][3]


@pytest.mark.parametrize("decoder", ["classic", "simple"])
def test_counts_are_exact_and_the_decoder_is_a_part_of_its_own(decoder):
    count = count_flops("vitpose_s", decoder=decoder)
    parts = closed_form("vitpose_s", decoder)
    assert count.parts == {"backbone": 0, "mask_scoring": 0, **parts}
    assert count.macs == sum(parts.values()) == {"classic": 5_593_890_816, "simple": 4_653_711_360}[decoder]
    assert count.macs_transformer == parts["patch_embedding"] + parts["blocks"]


def test_counts_and_parameters_are_the_references():
    for key, expected in FACTS.items():
        name, decoder = key.rsplit("_", 1)
        count = count_flops(name, decoder=decoder)
        assert (count.params, count.macs) == (expected["params"], expected["macs"])
        assert count.parts["decoder"] == expected["macs_decoder"]


def tiny(**options):
    torch.manual_seed(0)
    return create_model("vitpose_tiny", **options).eval()


IMAGES = torch.randn(3, 3, 96, 72, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_the_last_two_rows_and_columns_are_not_read_at_patch_16():
    model = create_model("vitpose_s").eval()
    images = made_up_images(0, 256, 192)[:1]
    other = images.clone()
    other[:, :, -2:] = other[:, :, :, -2:] = 100
    assert torch.equal(model.transformer.embed(images), model.transformer.embed(other))
    other[:, :, -3] = 100
    assert not torch.equal(model.transformer.embed(images), model.transformer.embed(other))


@torch.inference_mode()
@pytest.mark.parametrize("mask", ["random", "uniform", "norm", "semantic", "prune"])
def test_a_dropped_cell_reaches_the_decoder_as_it_was_when_it_was_dropped(mask):
    model = tiny(mask=mask, mask_ratio=0.5, **({"layers": (0,)} if mask == "prune" else {}))
    features, kept = model.transformer(IMAGES), model.kept_indices(IMAGES)
    before = model.transformer.embed(IMAGES)
    if mask == "prune":  # after the first block's attention
        block = model.transformer.blocks[0]
        before = before + block.attention(block.attention_norm(before))[0]
    dense = features.flatten(2).transpose(1, 2)
    gone = torch.ones(3, 108, dtype=torch.bool).scatter(1, kept, False)
    assert gone.sum() == 3 * 54
    torch.testing.assert_close(dense[gone], model.transformer.norm(before)[gone])
    assert (dense - model.transformer.norm(before)).abs().amax(dim=2)[~gone].min() > 0.01
    mask = model.transformer.mask
    mask.reduction = dataclasses.replace(mask.reduction, restore=NOTHING)
    assert (model.transformer(IMAGES).flatten(2).transpose(1, 2)[gone] == 0).all()


@torch.inference_mode()
def test_cells_dropped_in_different_blocks_have_what_each_was_there():
    model = tiny(mask="prune", mask_ratio=0.5, layers=(0, 2))
    seen = []
    model.transformer.mask.register_forward_pre_hook(lambda _, given: seen.append(given[:2]))
    dense, kept = model.transformer(IMAGES).flatten(2).transpose(1, 2), model.kept_indices(IMAGES)
    (first, start), (second, later) = seen[:2]
    start, later = start.token_indices, later.token_indices
    assert (len(start[0]), len(later[0]), len(kept[0])) == (108, 77, 54)
    for image in range(3):
        for cell in set(range(108)) - set(kept[image].tolist()):
            at = (later[image] == cell).nonzero()
            was = second[image, at[0, 0]] if len(at) else first[image, cell]
            torch.testing.assert_close(dense[image, cell], model.transformer.norm(was))


@torch.inference_mode()
def test_a_merged_token_stands_in_all_of_its_cells():
    model = tiny(mask="tome", mask_ratio=0.5)
    dense, holders = model.transformer(IMAGES).flatten(2).transpose(1, 2), model.token_holders(IMAGES)
    for image in range(3):
        assert len(dense[image].unique(dim=0)) == 54
        for group in holders[image].unique():
            assert len(dense[image][holders[image] == group].unique(dim=0)) == 1


def test_restoring_puts_each_token_in_its_cells_and_leaves_zeros_or_the_given_elsewhere():
    tokens = torch.tensor([[[1.0], [2.0]]])
    selected = Selected(torch.tensor([[2, 0]]), source=torch.tensor([[1, -1, 0, 1]]))
    assert restore(tokens, selected, torch.zeros(1, 4, 1)).flatten().tolist() == [2, 0, 1, 2]
    assert restore(tokens, selected, torch.full((1, 4, 1), 9.0)).flatten().tolist() == [2, 9, 1, 2]


@torch.inference_mode()
@pytest.mark.parametrize("mask", ["tome", "prune", "random", "semantic", "sparse", "scorer"])
def test_a_ratio_of_nothing_changes_nothing_and_a_sample_does_not_know_its_batch(mask):
    model, plain = tiny(mask=mask, mask_ratio=0.4), tiny()
    ids = torch.tensor([5, 6, 7])
    together = model(IMAGES, ids)
    for image in range(3):
        torch.testing.assert_close(model(IMAGES[image : image + 1], ids[image : image + 1])[0], together[image])
    load_weights(model, plain.state_dict(), fresh_scorer=True)
    model.set_mask_ratio(0.0)
    torch.testing.assert_close(model(IMAGES, ids), plain(IMAGES), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vitpose_b", {"decoder": "clasic"}, "decoder 'clasic': give one of classic, simple"),
        ("tmpose_b", {"decoder": "simple"}, "decoder 'simple' for tmpose_b"),
        ("vitpose_s", {"input_size": (250, 192)}, "multiple of 16"),
        ("vitpose_s", {"position_type": "sine"}, "positions are learned"),
        ("vitpose_s", {"mask": "random", "mask_ratio": 0.4, "positions": "prefix"}, "keeps its own"),
    ],
)
def test_what_vitpose_does_not_have_is_refused(name, options, message):
    with pytest.raises(InputError, match=message), torch.device("meta"):
        create_model(name, **options)


def test_a_model_is_made_again_from_its_spec():
    model = tiny(decoder="simple", mask="tome", mask_ratio=0.4)
    assert create_model(**model.spec.create_arguments()).spec == model.spec
    assert model.spec.convention == "udp" and create_model("tmpose_tiny").spec.convention == "dark"
