"""`posebench export`: a file that computes what the model computes, and says how to read it."""

import importlib.util
import json

import pytest
import torch
from exporting import EXPORTS

from posebench import create_model
from posebench.benchmark.artifacts.export import Deployed
from posebench.pose.datasets import DATASETS
from posebench.pose.reductions import reduction_names

pytestmark = EXPORTS
KEYPOINTS = list(DATASETS["coco"].skeleton.keypoints)


def saved(path, mask, ratio=0.4):
    torch.manual_seed(3)
    model = create_model("tmpose_tiny", mask=mask, mask_ratio=ratio if mask != "none" else 0.0).eval()
    torch.save({"model": model.state_dict()}, path)
    return model


def images(batch, seed=0):
    return torch.randn(batch, 3, 96, 72, generator=torch.Generator().manual_seed(seed))


def test_a_file_of_torchs_gives_the_models_heatmaps_at_any_batch_and_says_how_to_read_them(posebench, tmp_path):
    model = saved(tmp_path / "w.pt", "evit")
    options = ("--mask", "evit", "--ratios", 0.4, "--weights", "w.pt", "--runtime", "torch", "--dynamic-batch")
    code, out, _ = posebench("export", "tmpose_tiny", *options, "--out", "m.pt2")
    assert code == 0 and "evit 0.4; equal" in out
    extra = {"metadata.json": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=extra)
    with torch.no_grad():
        for batch in (1, 5):
            difference = program.module()(images(batch)) - model(images(batch))
            assert difference.abs().max() < 1e-4
    known = json.loads(extra["metadata.json"])
    assert json.loads(known["keypoints"]) == KEYPOINTS
    assert json.loads(known["input_size"]) == [96, 72] and json.loads(known["heatmap_size"]) == [24, 18]
    assert known["mask"] == "evit" and json.loads(known["mask_ratio"]) == 0.4
    assert json.loads(known["tokens_kept"]) == model.spec.tokens_kept == 28


def test_weights_that_do_not_say_their_decoder_can_be_exported(posebench, tmp_path):
    torch.save(create_model("vitpose_tiny", decoder="simple").state_dict(), tmp_path / "w.pth")
    options = ("vitpose_tiny", "--weights", "w.pth", "--runtime", "torch", "--out", "m.pt2")
    code, _, error = posebench("export", *options)
    assert code == 2 and "it would fit vitpose_tiny (simple decoder" in error
    code, out, _ = posebench("export", *options, "--decoder", "simple")
    assert code == 0 and "equal" in out


def test_normalisation_can_be_inside():
    torch.manual_seed(3)
    model = create_model("tmpose_tiny", mask="uniform", mask_ratio=0.4).eval()
    raw = torch.randint(0, 256, (1, 3, 96, 72), dtype=torch.uint8)
    channels = enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)])
    by_hand = torch.stack([(raw[:, i] / 255 - mean) / std for i, (mean, std) in channels], dim=1)
    with torch.no_grad():
        assert (Deployed(model, normalise=True)(raw) - model(by_hand)).abs().max() < 1e-5


def test_several_masks_go_into_a_folder_and_nothing_is_overwritten(posebench, tmp_path):
    masks = "uniform,random(layers=1|2),uniform"
    options = ("--mask", masks, "--ratios", "0.4", "--runtime", "torch", "--out", "files")
    assert posebench("export", "tmpose_tiny", *options)[0] == 0
    written = sorted(path.name for path in (tmp_path / "files").iterdir())
    assert written == ["tmpose_tiny_random_layers=1_2_0.4.pt2", "tmpose_tiny_uniform_0.4.pt2"]
    code, _, error = posebench("export", "tmpose_tiny", *options)
    assert code == 2 and "exists already" in error.splitlines()[-1] and "Traceback" not in error


def test_what_cannot_be_is_one_line(posebench, monkeypatch):
    code, _, error = posebench("export", "tmpose_tiny", "--runtime", "tensorrt", "--out", "m.plan")
    assert code == 2 and "give one of onnx, openvino, torch" in error and error.count("\n") == 1
    there = importlib.util.find_spec
    lacks = lambda name, *rest: None if name == "onnxruntime" else there(name, *rest)  # noqa: E731
    monkeypatch.setattr("posebench.benchmark.artifacts.formats.find_spec", lacks)
    code, _, error = posebench("export", "tmpose_tiny", "--out", "m.onnx")
    assert code == 2 and "pip install 'posebench[export]'" in error and error.count("\n") == 1
    monkeypatch.setattr("posebench.benchmark.runtimes.exporter.OLDEST", "99.1")
    code, _, error = posebench("export", "tmpose_tiny", "--runtime", "torch", "--out", "m.pt2")
    assert code == 2 and error.splitlines()[-1].startswith("posebench: error: exported models need torch 99.1 or newer")


@pytest.mark.onnx
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("mask", [*reduction_names(), "sparse(execution=gather)"])
def test_onnx_runtime_gives_the_models_heatmaps(mask, dynamic, posebench, tmp_path):
    import onnx
    import onnxruntime

    model = saved(tmp_path / "w.pt", mask)
    options = ("--mask", mask, "--ratios", 0.4 if mask != "none" else 0, "--weights", "w.pt", "--out", "m.onnx")
    assert posebench("export", "tmpose_tiny", *options, *(["--dynamic-batch"] if dynamic else []))[0] == 0
    assert not [node.op_type for node in onnx.load("m.onnx").graph.node if "Scatter" in node.op_type]
    session = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["keypoints"]) == KEYPOINTS
    for batch in (1, 3) if dynamic else (1,):
        found = session.run(None, {"images": images(batch, 7).numpy()})[0]
        with torch.no_grad():
            assert abs(found - model(images(batch, 7)).numpy()).max() < 1e-4


@pytest.mark.onnx
@pytest.mark.parametrize("mask", [*reduction_names(), "sparse(execution=gather)"])
def test_openvino_gives_the_models_heatmaps(mask, posebench, tmp_path):
    import openvino

    model = saved(tmp_path / "w.pt", mask)
    options = ("--mask", mask, "--ratios", 0.4 if mask != "none" else 0, "--weights", "w.pt", "--runtime", "openvino")
    assert posebench("export", "tmpose_tiny", *options, "--out", "m.xml")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml", "w.pt"]
    graph = openvino.Core().read_model("m.xml")
    assert not [operator for operator in graph.get_ops() if "Scatter" in operator.get_type_name()]
    assert json.loads(graph.get_rt_info(["posebench", "keypoints"]).value) == KEYPOINTS
    found = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images(1, 7).numpy())[0]
    with torch.no_grad():
        assert abs(found - model(images(1, 7)).numpy()).max() < 1e-4


def test_the_lint_says_of_each_reduction_what_becomes_of_it(posebench, tmp_path, monkeypatch):
    """One that exports, one that no tracer can follow, and one that computes something else when it is exported."""
    (tmp_path / "export_masks.py").write_text(OWN_MASKS)
    own = ("export_masks:loud", "export_masks:by_value", "export_masks:two_faced")
    code, out, _ = posebench("export", "--check", "--mask", ",".join(own), "--runtime", "torch", "--json", "--quiet")
    found = {one["mask"].split(":")[-1]: one for one in json.loads(out)}
    assert code == 1
    assert {name: one["verdict"] for name, one in found.items()} == {
        "loud": "exports", "by_value": "does not export", "two_faced": "differs",
    }  # fmt: skip
    assert found["loud"]["difference"] < 1e-4 < found["two_faced"]["difference"] and found["by_value"]["reason"]
    monkeypatch.setattr("posebench.benchmark.artifacts.formats.find_spec", lambda name: None)
    code, out, _ = posebench("export", "--check", "--mask", "uniform", "--quiet")
    assert code == 0 and "exports" in out and "gather of rows" in out
    assert "onnx: missing: onnx," in out and "pip install 'posebench[openvino]'" in out
    assert posebench("export", "--check", "--mask", "none", "--runtime", "openvino", "--quiet")[0] == 1


OWN_MASKS = """
import torch
from posebench.pose.reductions.rows import exporting
from posebench.pose.reductions.tokens import highest, keep

def loud(tokens, context, left):
    "Keeps the longest tokens."
    return keep(tokens, highest(context.content.detach().square().sum(dim=2), left))

def by_value(tokens, context, left):
    "Branches on what it sees."
    sign = 1 if float(context.content.sum()) > 0 else -1
    return keep(tokens, highest(sign * context.content.detach().sum(dim=2), left))

def two_faced(tokens, context, left):
    "Keeps the shortest tokens when nobody looks."
    sign = -1 if exporting() else 1
    return keep(tokens, highest(sign * context.content.detach().square().sum(dim=2), left))
"""
