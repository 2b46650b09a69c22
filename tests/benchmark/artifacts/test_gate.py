"""The gate: what computes the same passes, and what was broken on purpose is caught and its place named."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from answered import answered_by
from archives import saying
from exporting import EXPORTS

from posebench import create_model
from posebench.benchmark.artifacts.export import export
from posebench.benchmark.artifacts.torch_file import TorchArtifact
from posebench.pose.reductions import tokens

pytestmark = EXPORTS
TO_OUT = "transformer.stacks.0.1.attention.to_out"


def network(mask="uniform"):
    torch.manual_seed(3)
    return create_model("tmpose_tiny", mask=mask, mask_ratio=0.4).eval()


@pytest.fixture
def case(posebench, tmp_path):
    """(network, run): `run(file)` gates a file in the folder against it: (exit code, findings)."""
    model = network()
    torch.save({"model": model.state_dict()}, tmp_path / "w.pt")
    answered_by(model, tmp_path / "people")

    def run(file, *options):
        arguments = ("--artifact", file, "--weights", "w.pt", "--data", "people", "--format", "json", "--quiet")
        code, out, error = posebench("eval", *arguments, *options)
        assert code in (0, 1), error
        return code, json.loads(out)

    return model, run


def test_a_file_of_the_same_network_passes_and_one_of_another_is_told_where_it_parts(case, posebench, tmp_path):
    model, gate = case
    export(model, tmp_path / "m.pt2", "torch", normalise=True)
    code, found = gate("m.pt2")
    assert code == 0 and found["where"] == [] and found["layers"] == []
    assert [group["people"].split()[0] for group in found["groups"]] == ["all", "small", "middle", "big"]
    assert found["groups"][0]["score"] == found["groups"][0]["eager"] == 1
    with torch.no_grad():
        weight = model.get_submodule(TO_OUT).weight
        weight.copy_(weight.T.clone())
    export(model, tmp_path / "m.pt2", "torch", normalise=True)
    code, found = gate("m.pt2")
    assert code == 1 and found["groups"][0]["high"] < -0.005
    assert "made from other weights" in found["where"][0] and f"part at {TO_OUT}:" in found["where"][1]
    assert gate("m.pt2", "--margin", 1)[0] == 0
    arguments = ("--artifact", "m.pt2", "--weights", "w.pt", "--data", "people", "--quiet", "--format", "csv")
    code, out, _ = posebench("eval", *arguments)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 1 and [float(row["high"]) for row in rows] == [group["high"] for group in found["groups"]]


def test_what_a_file_says_of_itself_is_compared_too(case, posebench, tmp_path):
    model, gate = case
    export(model, tmp_path / "m.pt2", "torch")
    saying("m.pt2", "n.pt2", std=[0.5, 0.5, 0.5])
    code, found = gate("n.pt2")
    assert code == 1 and "std (0.5, 0.5, 0.5)" in found["where"][0]
    saying("m.pt2", "n.pt2", flip_pairs=[[1, 2]])
    code, found = gate("n.pt2")
    assert code == 1 and "mirror pairs" in found["where"][0] and "part at the flip" in found["where"][-1]
    saying("m.pt2", "n.pt2", decode_method="argmax")
    code, found = gate("n.pt2")
    assert "decoding argmax, the network's is dark" in found["where"][0] and found["moved"] > 0
    # Without weights there is nothing to compare with.
    code, out, _ = posebench("eval", "--artifact", "m.pt2", "--data", "people", "--quiet")
    assert code == 0 and "AP 1.000 (1.0000 to 1.0000), 12 people" in out
    code, out, _ = posebench("eval", "--artifact", "m.pt2", "--data", "people", "--quiet", "--format", "json")
    (found,) = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["ap"] == 1 and found["ap_l"] is None, "all 12 are of COCO's middle size"
    code, _, error = posebench("eval", "--artifact", "m.pt2", "--data", "people", "--margin", 0.1)
    assert code == 2 and "no network to compare with" in error


def test_what_differs_on_mirror_images_alone_is_not_laid_upon_the_mirror_pairs(case, tmp_path, monkeypatch):
    model, gate = case
    export(model, tmp_path / "m.pt2", "torch")
    run, first = TorchArtifact.run, set()

    def other_in_the_mirror(artifact, images):
        mirrored = images[..., ::-1].tobytes() in first
        first.update(() if mirrored else (images.tobytes(),))
        return run(artifact, images) + np.float32(0.01) * mirrored

    monkeypatch.setattr(TorchArtifact, "run", other_in_the_mirror)
    _, found = gate("m.pt2")
    assert len(found["where"]) == 1 and found["where"][0].startswith("heatmaps differ, and no layer that can be seen")


def test_nan_in_a_larger_batch_alone_is_no_equal_file(tmp_path, monkeypatch):
    run = TorchArtifact.run

    def broken(artifact, images):
        return run(artifact, images) * np.float32(1 if len(images) == 1 else np.nan)

    monkeypatch.setattr(TorchArtifact, "run", broken)
    assert not export(network(), tmp_path / "m.pt2", "torch", dynamic_batch=True) <= 1e-4


def layer_of(proto, name):
    inside = f"'model.{name}'"
    return next(node for node in proto.graph.node if any(inside in one.value for one in node.metadata_props))


def transpose(proto):
    """One layer's square weights, transposed."""
    from onnx import numpy_helper

    product = layer_of(proto, TO_OUT)
    weight = next(one for one in proto.graph.initializer if one.name == product.input[1])
    assert tuple(weight.dims) == (96, 96)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).T.copy(), weight.name))


def darken(proto):
    """The deviations of the normalisation, half as large again."""
    from onnx import numpy_helper

    for one in proto.graph.initializer:
        if one.name.endswith("normalisation.std"):
            one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one) * 1.5, one.name))
            return
    raise AssertionError([one.name for one in proto.graph.initializer])


def as_openvino(proto, path):
    import openvino
    from onnx import save

    save(proto, path.with_suffix(".onnx"))
    model = openvino.convert_model(path.with_suffix(".onnx"))
    for one in proto.metadata_props:
        model.set_rt_info(one.value, ["posebench", one.key])
    openvino.save_model(model, path, compress_to_fp16=False)


@pytest.mark.onnx
@pytest.mark.parametrize("broken, place", [(transpose, TO_OUT), (darken, "normalisation")])
def test_a_broken_onnx_or_openvino_file_is_caught_and_the_layer_named(broken, place, case, tmp_path):
    import onnx

    model, gate = case
    export(model, tmp_path / "m.onnx", "onnx", normalise=True)
    code, found = gate("m.onnx")
    assert code == 0 and found["where"] == []
    proto = onnx.load(tmp_path / "m.onnx")
    broken(proto)
    onnx.save(proto, tmp_path / "m.onnx")
    as_openvino(proto, tmp_path / "m.xml")
    for file in ("m.onnx", "m.xml"):
        code, found = gate(file)
        assert code == 1 and len(found["where"]) == 1
        assert found["where"][0].startswith(f"they part at {place}:")


@pytest.mark.onnx
def test_another_tie_rule_is_caught_at_the_reduction(posebench, tmp_path, monkeypatch):
    model = network("norm")
    with torch.no_grad():
        model.transformer.patch_embedding.projection.weight.zero_()  # all tokens alike: every choice is a tie
    torch.save({"model": model.state_dict()}, tmp_path / "w.pt")
    answered_by(model, tmp_path / "people")

    def last_first(scores, keep):
        return scores.shape[1] - 1 - scores.flip(1).topk(keep, dim=1).indices

    monkeypatch.setattr(tokens, "ranked", last_first)
    with torch.no_grad():
        export(model, tmp_path / "m.onnx", "onnx")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    arguments = ("--artifact", "m.onnx", "--weights", "w.pt", "--data", "people", "--margin", 0.001, "--quiet")
    code, out, _ = posebench("eval", *arguments)
    assert code == 1 and "part at transformer.mask:" in out and "another tie rule" in out and "FAILED" in out
