"""Where a counted saving goes: multiply-adds and bytes by closed form, times that add up, parts by runtimes' names."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from closed_form import backbone_macs, transformer_macs
from torch import nn
from typer.testing import CliRunner

from posebench.benchmark.explain.explain import explain, share_out
from posebench.benchmark.explain.kinds import ATTENTION, BETWEEN, KINDS, kind_of
from posebench.benchmark.explain.parts import CHOOSING, marked, scopes_of
from posebench.benchmark.explain.passes import Executed, Pass
from posebench.benchmark.explain.rows import rows, summary
from posebench.benchmark.explain.torch_profiler import read_events
from posebench.benchmark.explain.work import work_of
from posebench.benchmark.profiling.config import ProfileConfig
from posebench.benchmark.runtimes.catalogue import RUNTIMES
from posebench.cli import app
from posebench.pose.errors import InputError
from posebench.pose.models.zoo import create_model
from posebench.reports.analysis.explained import explained_sentence


def quick(*runtimes):
    return ProfileConfig.of({"runtimes": runtimes, "samples": 10, "seconds": 0.1, "threads": 1})


def test_multiply_adds_and_bytes_of_known_operators():
    class Known(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.rest = nn.Linear(8, 16), nn.ReLU()

        def forward(self, x, rows):
            return self.rest(self.linear(x)).view(2, 2, 16).flatten(0, 1).index_select(0, rows).add_(1)

    work = work_of(Known(), (torch.zeros(4, 8), torch.tensor([1, 2, 2])), {"head": "linear", "decoder": "rest"})
    assert work["head", "matrix products"].macs == 4 * 8 * 16
    assert work["head", "matrix products"].bytes == 4 * (4 * 8 + 8 * 16 + 16 + 4 * 16)
    assert work["decoder", "activations"].bytes == 4 * (64 + 64)
    assert work["decoder", "gathering"].bytes == 4 * (48 + 48) + 3 * 8, "reads what it gives, and where from"
    assert work["decoder", "element-wise"].bytes == 4 * (48 + 48), "in place: read and written once"
    assert all(value.bytes == 0 for key, value in work.items() if key[1] == "copies"), "views move nothing"


@pytest.mark.parametrize("mask", ["uniform", "semantic", "tome"])
def test_the_parts_have_the_multiply_adds_of_the_closed_form(mask):
    model = create_model("tmpose_tiny", mask=mask, mask_ratio=0.4).eval()
    work = work_of(model, (torch.zeros(1, 3, 96, 72), torch.arange(1)), scopes_of(model))
    expected = transformer_macs("tmpose_tiny", "coco", mask, 0.4)
    expected |= {"backbone": backbone_macs("tmpose_tiny"), CHOOSING: expected.pop("mask_scoring")}
    for part, macs in expected.items():
        assert sum(value.macs for (place, _), value in work.items() if place == part) == macs, part
    assert any(place == CHOOSING and value.bytes for (place, _), value in work.items())


def test_a_marked_model_is_told_once_for_parts_in_parts_and_is_left_as_it_was():
    model = create_model("tmpose_tiny", mask="semantic", mask_ratio=0.4).eval()
    told = []
    with marked(model, scopes_of(model), lambda part: told.append(part), lambda _: None), torch.no_grad():
        model(torch.zeros(1, 3, 96, 72))
    order = list(dict.fromkeys(told))
    assert order == ["backbone", "patch_embedding", CHOOSING, "blocks", "head"]
    assert told.count(CHOOSING) == 1, "it asks the first block's norms, which are its own work there"
    assert "before_blocks" not in vars(model.transformer.mask)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def event(name, start, end, own=0):
    span = SimpleNamespace(start=start, end=end)
    return SimpleNamespace(name=name, thread=1, self_cpu_time_total=own, time_range=span)


def test_gaps_of_a_pass_are_what_lies_between_operators_that_no_other_calls():
    part = "posebench::part::"
    events = [
        event("posebench::pass", 0, 100),
        event(f"{part}backbone", 5, 30),
        event("aten::conv2d", 10, 30, 5), event("aten::convolution", 12, 27, 15),
        event(f"{part}blocks", 40, 60), event("aten::linear", 45, 60, 15),
        event("aten::add", 80, 90, 10),
    ]  # fmt: skip
    found = [(one.name, round(1e6 * one.seconds), one.part) for one in read_events(events).operators]
    assert found == [
        (BETWEEN, 10, "backbone"), ("aten::conv2d", 5, "backbone"), ("aten::convolution", 15, "backbone"),
        (BETWEEN, 15, "blocks"), ("aten::linear", 15, "blocks"),
        (BETWEEN, 20, "blocks"), ("aten::add", 10, "blocks"), (BETWEEN, 10, "blocks"),
    ]  # fmt: skip


def test_the_profilers_times_add_up_to_an_unwatched_pass_and_it_is_the_gaps_that_a_profiler_lengthens():
    operators = [("aten::mm", 3, "blocks"), (BETWEEN, 6, "blocks"), (BETWEEN, 2, "head"), ("aten::mm", 1, "head")]
    passes = [Pass(tuple(Executed(name, ms / 1e3, part) for name, ms, part in operators))]
    product = "matrix products"
    ms, scaled = share_out(passes, 8.0)
    assert scaled == 1 and ms["blocks", product] == pytest.approx(3) and ms["head", product] == pytest.approx(1)
    assert ms["blocks", BETWEEN] == pytest.approx(3) and ms["head", BETWEEN] == pytest.approx(1)
    ms, scaled = share_out(passes, 24.0)
    assert scaled == 2 and ms["blocks", product] == pytest.approx(6) and ms["head", BETWEEN] == pytest.approx(4)
    ms, scaled = share_out(passes, 2.0)
    assert scaled == 0.5 and ms["blocks", product] == pytest.approx(1.5) and ms["blocks", BETWEEN] == 0


def test_names_of_all_runtimes_have_a_kind():
    for kind, names in {
        "convolutions": "aten::mkldnn_convolution mkldnn::_convolution_pointwise FusedConv Convolution aten::conv2d",
        "matrix products": "aten::addmm mkldnn::_linear_pointwise FusedMatMul Gemm FullyConnected aten::bmm",
        ATTENTION: "aten::_scaled_dot_product_flash_attention_for_cpu ScaledDotProductAttention MultiHeadAttention",
        "norms": "aten::native_layer_norm SkipLayerNormalization MVN aten::batch_norm",
        "softmax": "aten::_softmax Softmax",
        "activations": "aten::gelu BiasGelu aten::relu_ Relu Gelu",
        "sorting": "aten::sort TopK aten::argmax",
        "gathering": "aten::gather GatherElements aten::index_select aten::scatter_add ScatterND",
        "copies": "aten::copy_ Reorder Concat aten::transpose Transpose aten::t aten::to Reshape",
        "element-wise": "aten::add_ Mul Eltwise Subgraph aten::mean ReduceMean",
    }.items():
        assert {name: kind_of(name) for name in names.split()} == dict.fromkeys(names.split(), kind)


def check_sums(one, mask):
    about, found = summary(one), {(row["part"], row["operator"]): row for row in rows(one)}
    whole = found["all", "all"]
    expected = transformer_macs("tmpose_tiny", "coco", "none", 0), transformer_macs("tmpose_tiny", "coco", mask, 0.4)
    before, after = (sum(parts.values()) for parts in expected)
    backbone = backbone_macs("tmpose_tiny")
    assert (whole["macs_before"], whole["macs_after"]) == (backbone + before, backbone + after)
    assert about["counted"] == pytest.approx(1 - after / before)
    assert sum(about["costs"].values()) == pytest.approx(about["counted"] - about["arrives"])
    for which in ("ms_before", "ms_after", "macs_after", "mb_before"):
        kinds = sum(row[which] for (part, kind), row in found.items() if part == "all" and kind != "all")
        parts = sum(row[which] for (part, kind), row in found.items() if kind == "all" and part in one.parts)
        assert whole[which] == pytest.approx(kinds) == pytest.approx(parts) and whole[which] > 0, which
    assert found[CHOOSING, "all"]["ms_before"] == 0 < found[CHOOSING, "all"]["ms_after"]
    assert found[CHOOSING, "all"]["macs_after"] == expected[1]["mask_scoring"]
    assert about["ceiling_macs_per_s"] > 0 and about["ceiling_bytes_per_s"] > 0
    return about


def test_what_is_counted_arrives_or_is_lost_to_something():
    for one in explain(["tmpose_tiny"], ["semantic"], [0.4], quick("eager", "fused")):
        if one.about["runtime"] == "eager":
            about = check_sums(one, "semantic")
        assert set(kind for _, kind in one.after) <= set(KINDS) and None not in {part for part, _ in one.after}
    sentence = explained_sentence(about | {"arrives": 0.1, "costs": {"choosing": 0.2, "norms": -0.05, "copies": 0.001}})
    assert "of the 24.8 % counted behind the backbone, 10.0 % arrive" in sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert "lost to choosing 20.0 %; won by norms 5.0 %" in sentence.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.onnx
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_another_runtimes_nodes_are_placed_by_their_names(runtime):
    pytest.importorskip(runtime)
    (one,) = explain(["tmpose_tiny"], ["semantic"], [0.4], quick(runtime))
    assert one.mapped > 0.8 and set(one.parts) == {"backbone", "patch_embedding", CHOOSING, "blocks", "head"}
    about, found = summary(one), {(row["part"], row["operator"]): row for row in rows(one)}
    assert found["backbone", "convolutions"]["macs_after"] == backbone_macs("tmpose_tiny")
    assert found["backbone", "convolutions"]["ms_after"] > 0 and found["backbone", "convolutions"]["mb_after"] > 0
    assert about["scope"] == "transformer" and found[CHOOSING, "all"]["ms_after"] > 0


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="inductor needs a C++ compiler")
def test_a_compiled_models_kernels_are_told_by_kind_alone():
    (one,) = explain(["tmpose_tiny"], ["semantic"], [0.4], quick("compile"))
    found = {(row["part"], row["operator"]): row for row in rows(one)}
    assert one.parts == () and summary(one)["scope"] == "all" and "by kind only" in one.notes[0]
    assert found["all", "fused kernels"]["ms_after"] > 0 < found["all", "convolutions"]["ms_after"]
    assert found["all", "convolutions"]["macs_after"] == backbone_macs("tmpose_tiny")


def test_the_command_says_it_in_a_sentence_and_leaves_files_and_pictures(tmp_path):
    out = tmp_path / "out"
    how = ["--samples", "10", "--seconds", "0.1", "--threads", "1", "--quiet"]
    run = CliRunner().invoke(app, ["explain", "--json", "--out", str(out), *how])
    told = json.loads(run.stdout)
    assert told[0]["sentence"].startswith("tmpose_tiny semantic 0.4, eager float32, batch 1: of the")
    assert told == json.loads((out / "explained.json").read_text())
    name = "tmpose_tiny_semantic_0.4_eager_float32"
    pictures = [f"{kind}-{name}.{ending}" for kind in ("roofline", "time") for ending in ("png", "svg")]
    assert sorted(file.name for file in out.iterdir()) == sorted(["explained.csv", "explained.json", *pictures])
    again = CliRunner().invoke(app, ["explain", "--out", str(out), *how])
    assert isinstance(again.exception, InputError) and "exists already" in str(again.exception)


def test_what_cannot_be_explained_is_one_line(monkeypatch):
    monkeypatch.setitem(RUNTIMES, "bare", replace(RUNTIMES["eager"], name="bare", profile=None))
    with pytest.raises(InputError, match="nothing is masked"):
        explain(["tmpose_tiny"], ["none"], [], quick("eager"))
    with pytest.raises(InputError, match="runtime bare has no profiler"):
        explain(["tmpose_tiny"], ["uniform"], [0.4], quick("bare"))
