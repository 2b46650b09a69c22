"""Files of others: what is broken, foreign or hostile gets one line, and runs nothing."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from archives import rewritten, saying
from exporting import EXPORTS
from older_files import PEAKS, PLACES, older, picture

from posebench import create_model
from posebench.benchmark.artifacts.export import export
from posebench.benchmark.artifacts.file_model import open_file
from posebench.benchmark.artifacts.metadata import as_text, metadata, read_spec
from posebench.pose.errors import InputError

pytestmark = EXPORTS


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    return create_model("tmpose_tiny", mask="uniform", mask_ratio=0.4).eval()


@pytest.fixture(scope="module")
def good(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "m.pt2"
    assert export(model, path, "torch", normalise=True) == 0
    return path


@pytest.fixture(scope="module")
def good_onnx(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "m.onnx"
    assert export(model, path, "onnx") < 1e-4
    return path


def refused(path, *words):
    with pytest.raises(InputError) as error:
        open_file(path)
    text = str(error.value)
    assert "\n" not in text and str(path) in text
    assert all(word in text for word in words), text


class Dangerous:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_a_file_is_the_model_with_all_that_it_takes_to_run_it(model, good):
    file = open_file(good)
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 3, 96, 72)).astype(np.float32) / 255)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    images = (images - mean) / std
    with torch.no_grad():
        assert (file(images) - model(images)).abs().max() < 1e-5
    assert file.spec.skeleton == model.spec.skeleton and file.spec.input_size == (96, 72)


def test_what_is_no_exported_model_is_one_line(good, tmp_path):
    refused(tmp_path / "m.txt", "no exported model")
    refused(tmp_path / "m.pt2", "no such file")
    (tmp_path / "cut.pt2").write_bytes(good.read_bytes()[:200_000])
    refused(tmp_path / "cut.pt2", "cut")
    program = torch.export.export(torch.nn.Conv2d(3, 17, 1), (torch.zeros(1, 3, 96, 72),))
    torch.export.save(program, tmp_path / "bare.pt2")
    refused(tmp_path / "bare.pt2", "no metadata of posebench")


ATTACKS = {
    "inputs": "", "weights": "pickled", "target": "'torch.hub.load'", "expression": "__import__", "library": "m.so",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pt2_file_that_would_run_code_is_not_opened(attack, good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save(Dangerous(), buffer)

    def change(name, content):
        if attack == "inputs" and name.endswith("sample_inputs/model.pt"):
            return buffer.getvalue()
        if attack == "weights" and name.endswith("model_weights_config.json"):
            return content.replace(b'"use_pickle": false', b'"use_pickle": true', 1)
        if attack == "target" and name.endswith("models/model.json"):
            return content.replace(b"torch.ops.aten.relu.default", b"torch.hub.load", 1)
        if attack == "expression" and name.endswith("models/model.json"):
            evil = b"{\"expr_str\": \"__import__('os').mkdir('executed')\", "
            return content.replace(b"{", evil, 1)
        return content

    path = rewritten(good, tmp_path / "m.pt2", change)
    if attack == "library":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("m/data/aotinductor/model/m.so", pickle.dumps(Dangerous()))
    refused(path, ATTACKS[attack])
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"input_size": [96]}, {"input_size": [96, 10**9]}, {"mean": [0.5]}, {"std": [0, 1, 1]}, {"keypoints": []},
        {"flip_pairs": [[0, 99]]}, {"decode_method": "rm"}, {"batch": 7}, {"limbs": "x"}, {"layers": {"a": 1}},
        {"mask_ratio": "x"}, {"mask_ratio": float("nan")}, {"sigma": None}, {"sigma": 0}, {"sigma": float("inf")},
        {"seed": "x"}, {"seed": 10**30},
        {"layers": "[" * 100_000}, {"limbs": '{"a":' * 100_000},
    ],
)  # fmt: skip
def test_damaged_metadata_are_one_line(change, model):
    known = as_text(metadata(model, dynamic_batch=False, normalise=False))
    assert read_spec("m.onnx", known).num_keypoints == 17
    with pytest.raises(InputError, match=r"^m\.onnx: its metadata are damaged"):
        read_spec("m.onnx", known | as_text(change))


def test_metadata_of_another_network_than_the_files_are_told(good, tmp_path):
    refused(saying(good, tmp_path / "m.pt2", input_size=[128, 96]), "takes 1x3x96x72", "metadata say 1x3x128x96")
    refused(saying(good, tmp_path / "m.pt2", heatmap_size=[9, 9]), "gives 1x17x24x18")


def test_predict_runs_from_the_file_alone(good, model, posebench, tmp_path):
    from posebench.pose.synth import write_synthetic

    write_synthetic(tmp_path / "people", train=0, val=1, seed=5, jobs=1)
    picture = next((tmp_path / "people").rglob("*.jpg"), None) or next((tmp_path / "people").rglob("*.png"))
    torch.save({"model": model.state_dict()}, tmp_path / "w.pt")
    options = (picture, "--min-score", 0, "--out")
    code, _, error = posebench("predict", *options, "a", "--model", good, "--json", "a.json")
    assert code == 0, error
    asked = ("--model", "tmpose_tiny", "--mask", "uniform", "--ratio", 0.4, "--weights", "w.pt")
    assert posebench("predict", *options, "b", *asked, "--json", "b.json")[0] == 0
    ours, theirs = (json.loads((tmp_path / f"{name}.json").read_text())[0]["keypoints"] for name in "ab")
    assert np.allclose(ours, theirs, atol=0.01)
    code, _, error = posebench("predict", *options, "c", "--model", good, "--mask", "tome")
    assert code == 2 and "--mask with --model" in error
    code, _, error = posebench("predict", *options, "c", "--model", good, "--ratio", 0)
    assert code == 2 and "--ratio with --model" in error
    code, _, error = posebench("predict", *options, "c", "--model", good, "--show-mask")
    assert code == 2 and "gives heatmaps alone" in error
    code, _, error = posebench("predict", *options, "c")
    assert code == 2 and "give --weights" in error


@pytest.mark.onnx
def test_broken_and_hostile_onnx_files_are_one_line(good_onnx, tmp_path):
    import onnx

    (tmp_path / "cut.onnx").write_bytes(good_onnx.read_bytes()[:300_000])
    refused(tmp_path / "cut.onnx", "cut")
    (tmp_path / "text.onnx").write_text("no model")
    refused(tmp_path / "text.onnx")
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(3 * 2**30)
    refused(tmp_path / "huge.onnx", "2 GB")
    proto = onnx.load(good_onnx)
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "foreign.onnx")
    refused(tmp_path / "foreign.onnx", "no metadata of posebench")
    (tmp_path / "secret").write_bytes(bytes(10**7))
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link").symlink_to(tmp_path / "secret")
    outside = ("../secret", str(tmp_path / "secret"), "link")
    for location, word in [*((place, "outside") for place in outside), ("lost", "missing")]:
        proto = onnx.load(good_onnx)
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        onnx.save(proto, inner / "m.onnx")
        refused(inner / "m.onnx", word)


@pytest.mark.onnx
def test_broken_openvino_files_are_one_line(model, tmp_path):
    path = tmp_path / "m.xml"
    assert export(model, path, "openvino") < 1e-4
    assert open_file(path).spec.mask == "uniform"
    weights, text = path.with_suffix(".bin").read_bytes(), path.read_text()
    path.with_suffix(".bin").write_bytes(weights[:1000])
    refused(path)
    path.with_suffix(".bin").unlink()
    refused(path, "m.bin")
    path.with_suffix(".bin").write_bytes(weights)
    path.write_text(text[:10_000])
    refused(path)


@pytest.mark.onnx
def test_a_file_that_an_older_posebench_exported_gives_what_it_gave(tmp_path):
    file = open_file(older("exported.onnx", tmp_path))
    assert (file.spec.name, file.spec.mask_ratio) == ("tmpose_tiny", pytest.approx(0.664))
    peaks, places = file(picture()).flatten(2).max(2)
    assert peaks[0].numpy() == pytest.approx(PEAKS, abs=1e-6) and places[0].tolist() == PLACES
