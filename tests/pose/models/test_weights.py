"""Weights load under our names and the papers', and anything that does not fit is refused with its reason."""

import argparse

import numpy as np
import pytest
import torch
from reference import state_dict_shapes
from safetensors.torch import save_file
from torch import nn

from posebench import create_model, load_weights
from posebench.pose.datasets.mpii import SKELETON as MPII
from posebench.pose.errors import InputError
from posebench.pose.joint_mask import skeleton_mask
from posebench.pose.models.weights import fitting_models, load_backbone_weights, reference_name


def tiny(**options):
    return create_model("tmpose_tiny", **{"mask": "none", **options})


def same(a, b):
    return all(torch.equal(x, b.state_dict()[n]) for n, x in a.state_dict().items())


@pytest.mark.parametrize("wrapper", [None, "state_dict", "best_state_dict", "model_state_dict", "model", "net"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "model._orig_mod.", "net.pose."])
def test_a_file_loads_bare_or_wrapped(tmp_path, wrapper, prefix):
    source, target = tiny(), tiny()
    state = {prefix + reference_name(name, source): tensor for name, tensor in source.state_dict().items()}
    torch.save({wrapper: state} if wrapper else state, tmp_path / "w.pth")
    assert same(load_weights(target, tmp_path / "w.pth"), source)


def test_a_safetensors_file_loads(tmp_path):
    source, target = tiny(), tiny()
    save_file({f"module.{name}": tensor for name, tensor in source.state_dict().items()}, tmp_path / "w.safetensors")
    assert same(load_weights(target, tmp_path / "w.safetensors"), source)
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-8])
    with pytest.raises(InputError, match=r"cut\.safetensors: not a readable weights file"):
        load_weights(target, tmp_path / "cut.safetensors")


def test_compiled_and_wrapped_modules_load_as_they_are_saved(tmp_path):
    source, target = tiny(), tiny()
    state = torch.compile(nn.DataParallel(source)).state_dict()
    assert all(name.startswith("_orig_mod.module.") for name in state)
    assert same(load_weights(target, state), source)
    part = {name.replace("backbone.", "backbone._orig_mod."): tensor for name, tensor in source.state_dict().items()}
    assert same(load_weights(tiny(), part), source)


@pytest.mark.parametrize("zipped", [True, False])
def test_options_and_scores_beside_the_weights_do_no_harm(tmp_path, zipped):
    source, target = tiny(), tiny()
    options = argparse.Namespace(lr=1e-3, out=tmp_path, steps=[1, {"gamma": np.float32(0.5)}])
    content = {"model_state_dict": source.state_dict(), "args": options, "perf": np.float64(0.7), "epoch": np.int64(3)}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert same(load_weights(target, tmp_path / "w.pth"), source)


class Settings:
    pass


@pytest.mark.parametrize("beside", [{"settings": Settings()}, {"model": nn.Linear(2, 2)}])
def test_an_object_that_could_run_code_is_named_by_its_class_in_one_plain_line(tmp_path, beside):
    torch.save({"state_dict": tiny().state_dict(), **beside}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"Settings|torch\.nn\.modules\.linear\.Linear") as error:
        load_weights(tiny(), tmp_path / "w.pth")
    message = str(error.value)
    assert message.isprintable() and "weights_only" not in message and len(message) < 400


def test_an_entry_that_is_held_twice_is_refused():
    state = tiny().state_dict()
    name = next(iter(state))
    with pytest.raises(InputError, match=f"one entry twice, as {name} and as module.{name}"):
        load_weights(tiny(), {**state, f"module.{name}": state[name]})


def test_messages_name_the_entries_as_the_file_and_the_user_do():
    state = {f"_orig_mod.{name}": tensor for name, tensor in tiny().state_dict().items()}
    state["_orig_mod.transformer.keypoint_tokens"] = torch.zeros(3)
    state["_orig_mod.extra\x1b[31m"] = torch.zeros(3)
    with pytest.raises(InputError) as error:
        load_weights(tiny(), state)
    message = str(error.value)
    assert "1 of another shape (_orig_mod.transformer.keypoint_tokens is 3, not 1x17x96)" in message
    assert "1 unexpected ('_orig_mod.extra\\x1b[31m')" in message and message.isprintable()


def test_weights_of_another_model_are_refused_with_the_model_that_fits():
    source = create_model("tokenpose_t").state_dict()
    with pytest.raises(InputError, match=r"missing \(.*unexpected|of another shape") as error:
        load_weights(tiny(), source)
    assert "it would fit tokenpose_t (coco)" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("papers", [True, False])
def test_a_missing_entry_is_named_in_the_files_own_words(papers):
    state = tiny().state_dict()
    del state["transformer.keypoint_tokens"]
    if papers:
        state = {reference_name(name, tiny()): tensor for name, tensor in state.items()}
    with pytest.raises(InputError, match=r"1 missing \(transformer.keypoint_token" + ("" if papers else "s") + r"\)"):
        load_weights(tiny(), state)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_named(tmp_path, content):
    file = tmp_path / "broken.pth"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.pth"):
        load_weights(tiny(), file)


class Payload:
    def __reduce__(self):
        return print, ("code from a weights file ran",)


def test_code_in_a_weights_file_is_not_run(tmp_path, capsys):
    torch.save({"state_dict": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"evil\.pth"):
        load_weights(tiny(), tmp_path / "evil.pth")
    assert "ran" not in capsys.readouterr().out


def test_a_scorer_starts_fresh_only_where_that_is_asked_for():
    state = tiny().state_dict()
    masked = tiny(mask="scorer", mask_ratio=0.5)
    with pytest.raises(InputError, match=r"mask\.linear"):
        load_weights(masked, state)
    load_weights(masked, state, fresh_scorer=True)
    load_weights(tiny(mask="random", mask_ratio=0.5), masked.state_dict())


def test_an_imagenet_hrnet_gives_the_backbone_its_stem_and_stages_2_and_3():
    source, target = create_model("tokenpose_b"), create_model("tmpose_b")
    hrnet = {f"{name}": tensor for name, tensor in source.backbone.state_dict().items()}
    hrnet |= {"stage4.0.branches.0.0.conv1.weight": torch.zeros(1), "classifier.weight": torch.zeros(1000, 2048)}
    load_backbone_weights(target, hrnet)
    assert same(target.backbone, source.backbone)
    with pytest.raises(InputError, match="hrnet_w48"):
        load_backbone_weights(create_model("tokenpose_l_d6"), hrnet)


@pytest.mark.parametrize("joint_mask", ["published", "skeleton"])
def test_the_sparsity_papers_checkpoint_loads_with_its_joint_mask_and_its_unused_norms(joint_mask):
    state = {name: torch.full(shape, 0.01) for name, shape in state_dict_shapes("sparsity_s_mpii").items()}
    matrix = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0)).round()
    state["features.joint_mask"] = matrix
    model = create_model("sparse_tokenpose_s", dataset="mpii", joint_mask=joint_mask)
    load_weights(model, {"state_dict": state})
    assert (model.transformer.joint_blocks[2].mlp[0].weight == 0.01).all()
    expected = matrix[0] > 0 if joint_mask == "published" else skeleton_mask(MPII)
    assert torch.equal(model.transformer.joint_mask, expected)
    assert fitting_models(state) == ["sparse_tokenpose_s (mpii)"]


def test_ppt_loads_what_tokenpose_of_the_same_size_has():
    source = create_model("tokenpose_s_v1")
    state = {reference_name(name, source): tensor for name, tensor in source.state_dict().items()}
    model = load_weights(create_model("ppt_s"), state)
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in source.state_dict().items())


def test_a_joint_mask_goes_with_the_weights_that_were_trained_with_it():
    full = create_model("sparse_tokenpose_tiny", joint_mask="full").state_dict()
    with pytest.raises(InputError, match="trained with another joint mask than 'skeleton'"):
        load_weights(create_model("sparse_tokenpose_tiny"), full)
    assert load_weights(create_model("sparse_tokenpose_tiny", joint_mask="full"), full).transformer.joint_mask.all()
    taken = load_weights(create_model("sparse_tokenpose_tiny", joint_mask="published"), full)
    assert taken.transformer.joint_mask.all()
    skeleton = create_model("sparse_tokenpose_tiny").state_dict()
    load_weights(create_model("sparse_tokenpose_tiny"), skeleton)
