"""ViTPose's public weights: strict, read without running anything, fitted to the model's grid and task."""

import numpy as np
import pytest
import torch
from vitpose_reference import hugging_face, write_folder

from posebench import create_model, load_vitpose, load_weights
from posebench.pose.errors import InputError
from posebench.pose.models.vitpose_weights import original_name, resize_positions


@pytest.fixture(scope="module")
def small():
    """A ViTPose-S and its entries under the original names."""
    torch.manual_seed(0)
    model = create_model("vitpose_s", decoder="simple")
    return model, {original_name(name): tensor for name, tensor in model.state_dict().items()}


def same(model, other):
    return all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_size_decoder_keypoints_and_input_size_are_read_from_the_weights(small, tmp_path):
    model, original = small
    folder = write_folder(tmp_path / "hf", original, use_simple_decoder=True)
    for source in (original, folder, folder / "model.safetensors"):
        made = load_vitpose(source)
        assert same(made, model)
        assert (made.spec.name, made.spec.decoder, made.spec.dataset) == ("vitpose_s", "simple", "coco")
    large = create_model("vitpose_s", dataset="mpii", input_size=(384, 288))
    made = load_vitpose({original_name(name): tensor for name, tensor in large.state_dict().items()})
    assert same(made, large) and made.spec == large.spec


def test_our_own_checkpoint_loads_again():
    model = create_model("vitpose_tiny")
    assert same(load_weights(create_model("vitpose_tiny"), {"model": model.state_dict()}), model)


@pytest.mark.parametrize("scheme", [dict, hugging_face])
def test_what_is_missing_or_too_much_is_named_and_what_would_fit_is_said(small, scheme):
    _, original = small
    with pytest.raises(InputError, match=r"it would fit vitpose_s \(simple decoder, 17 keypoints, 256x192\)") as error:
        load_weights(create_model("vitpose_s"), scheme(original))
    assert "keypoint_head.deconv_layers.0.weight" in str(error.value) and "\n" not in str(error.value)
    less = {name: tensor for name, tensor in original.items() if name != "backbone.last_norm.bias"}
    with pytest.raises(InputError, match=r"1 missing \(backbone\.last_norm\.bias\)"):
        load_weights(create_model("vitpose_s", decoder="simple"), scheme(less))
    with pytest.raises(InputError, match=r"1 unexpected \(backbone\.extra\)"):
        load_weights(create_model("vitpose_s", decoder="simple"), {**scheme(original), "backbone.extra": torch.ones(1)})
    with pytest.raises(InputError, match="it would fit vitpose_s"):
        load_weights(create_model("tmpose_tiny"), original)


@pytest.mark.parametrize("scheme", ["original", "hugging_face", "hugging_face_4"])
@pytest.mark.parametrize(("dataset", "expert"), [("coco", 0), ("mpii", 2)])
def test_of_vitpose_plus_the_tasks_own_expert_and_head_are_taken(scheme, dataset, expert):
    torch.manual_seed(0)
    model = create_model("vitpose_s", dataset=dataset, decoder="simple", input_size=(256, 192))
    plus = {}
    for name, tensor in model.state_dict().items():
        name = original_name(name)
        if ".mlp.fc2." not in name:
            plus[name] = tensor
            continue
        plus[name], own = tensor.split((288, 96))
        for number in range(6):
            part = own if number == expert else torch.randn_like(own)
            plus[name.replace("fc2", f"experts.{number}")] = part
    if scheme == "original" and expert:
        for name in [name for name in plus if name.startswith("keypoint_head.")]:
            plus[name.replace("keypoint_head.", f"associate_keypoint_heads.{expert - 1}.")] = plus[name]
            plus[name] = torch.zeros(17, *plus[name].shape[1:])
        plus["associate_keypoint_heads.3.final_layer.weight"] = torch.zeros(17, 384, 3, 3)
    if scheme != "original":
        experts = {name: plus.pop(name) for name in list(plus) if ".experts." in name}
        plus = hugging_face(plus)
        inner = "experts.experts." if scheme == "hugging_face_4" else "experts."  # as transformers 4 wrote them
        for name, tensor in experts.items():
            name = name.replace("backbone.blocks.", "backbone.encoder.layer.").replace("experts.", inner)
            plus[name] = tensor
    fresh = create_model("vitpose_s", dataset=dataset, decoder="simple", input_size=(256, 192))
    assert same(load_weights(fresh, plus), model)
    assert not same(load_weights(fresh, plus, expert=1), model) if scheme != "original" or not expert else True
    with pytest.raises(InputError, match="expert 6: the weights hold those from 0 to 5"):
        load_weights(fresh, plus, expert=6)


def bicubic(size, wanted):
    """(wanted, size): weights of cubic convolution (Keys, 1981, a = -0.75), border repeated, cells' centres aligned."""
    a, weights = -0.75, np.zeros((wanted, size))
    for i in range(wanted):
        place = (i + 0.5) * size / wanted - 0.5
        for cell in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            t = abs(place - cell)
            near = (a + 2) * t**3 - (a + 3) * t**2 + 1
            far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
            weights[i, np.clip(cell, 0, size - 1)] += near if t <= 1 else far
    return weights


def test_positions_are_interpolated_for_another_grid_and_the_first_row_stays():
    table = torch.randn(1, 193, 5, generator=torch.Generator().manual_seed(0))
    found = resize_positions(table, (16, 12), (24, 18))
    assert torch.equal(found[:, :1], table[:, :1])
    grid = table[0, 1:].reshape(16, 12, 5).numpy()
    expected = np.einsum("ri,sj,ijd->rsd", bicubic(16, 24), bicubic(12, 18), grid)
    np.testing.assert_allclose(found[0, 1:].reshape(24, 18, 5), expected, atol=1e-5)


@torch.inference_mode()
def test_weights_of_one_input_size_load_at_another(small):
    model, original = small
    larger = load_weights(create_model("vitpose_s", decoder="simple", input_size=(384, 288)), original)
    table = resize_positions(model.transformer.position_table, (16, 12), (24, 18))
    assert torch.equal(larger.transformer.position_table, table)
    square = {**original, "backbone.pos_embed": torch.ones(1, 1 + 14 * 14, 384)}
    found = load_weights(create_model("vitpose_s", decoder="simple"), square).transformer.position_table
    torch.testing.assert_close(found, torch.ones(1, 193, 384))
    with pytest.raises(InputError, match=r"backbone\.pos_embed is 1x191x384, not 1x193x384"):
        odd = {**original, "backbone.pos_embed": torch.ones(1, 191, 384)}
        load_weights(create_model("vitpose_s", decoder="simple"), odd)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"backbone_config": {"num_attention_heads": 6}}, "num_attention_heads is 6, and vitpose_s has 12"),
        ({"backbone_config": {"hidden_act": "relu"}}, "hidden_act is 'relu'"),
        ({"scale_factor": 2}, "scale_factor is 2"),
        ({"backbone_config": "base"}, "not the configuration of a ViTPose model"),
        ({"backbone_config": {"image_size": [256]}}, "not the configuration of a ViTPose model"),
    ],
)
def test_a_configuration_that_contradicts_the_model_is_refused(small, tmp_path, config, message):
    folder = write_folder(tmp_path / "hf", small[1], **config)
    with pytest.raises(InputError, match=message):
        load_weights(create_model("vitpose_s", decoder="simple"), folder)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="is a folder; give a weights file"):
        load_vitpose(tmp_path)


def test_half_precision_weights_load_as_float32(small):
    model, original = small
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in original.items()}
    found = load_vitpose(halves).state_dict()
    for name, tensor in model.state_dict().items():
        np.testing.assert_allclose(found[name], tensor, atol=2e-3)
        assert found[name].dtype == tensor.dtype
