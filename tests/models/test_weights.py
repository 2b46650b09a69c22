"""Weights load under our names and the papers', and anything that does not fit is refused with its reason."""

import pytest
import torch
from reference import state_dict_shapes

from posebench import create_model, load_weights
from posebench.pose.errors import InputError
from posebench.pose.joint_mask import skeleton_mask
from posebench.pose.keypoints import MPII
from posebench.pose.models.weights import fitting_models, load_backbone_weights, reference_name


def tiny(**options):
    return create_model("tmpose_tiny", **{"mask": "none", **options})


def same(a, b):
    return all(torch.equal(x, b.state_dict()[n]) for n, x in a.state_dict().items())


@pytest.mark.parametrize("wrapper", [None, "state_dict", "best_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_file_loads_bare_or_wrapped(tmp_path, wrapper, prefix):
    source, target = tiny(), tiny()
    state = {prefix + reference_name(name, source): tensor for name, tensor in source.state_dict().items()}
    torch.save({wrapper: state} if wrapper else state, tmp_path / "w.pth")
    assert same(load_weights(target, tmp_path / "w.pth"), source)


def test_weights_of_another_model_are_refused_with_the_model_that_fits():
    source = create_model("tokenpose_t").state_dict()
    with pytest.raises(InputError, match=r"missing \(.*unexpected|of another shape") as error:
        load_weights(tiny(), source)
    assert "it would fit tokenpose_t (coco)" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_entry_is_named_as_the_papers_name_it():
    state = tiny().state_dict()
    del state["transformer.keypoint_tokens"]
    with pytest.raises(InputError, match=r"1 missing \(transformer.keypoint_token\)"):
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
