"""Runtimes: what computes the same, what says who computed it, and what is refused in one line."""

import re
import shutil

import pytest
import torch
from torch import nn

from posebench import create_model
from posebench.benchmark.profiling.config import ProfileConfig, RunConfig, runs_of
from posebench.benchmark.profiling.models import profile, time_models
from posebench.benchmark.profiling.modules import prepared_memory
from posebench.benchmark.profiling.running import Running
from posebench.benchmark.runtimes.descriptor import Runtime
from posebench.benchmark.runtimes.eager import about_torch
from posebench.benchmark.runtimes.onnx_file import onnx_file
from posebench.benchmark.runtimes.onnxruntime import told
from posebench.benchmark.runtimes.prepared import Task, prepare
from posebench.benchmark.runtimes.registry import check_runtime, find_runtime
from posebench.pose.errors import InputError
from posebench.pose.records import digest, from_plain, to_plain
from posebench.pose.reductions import reduction_names

CPU = torch.device("cpu")
BRIEFLY = {"threads": 1, "samples": 10, "seconds": 0.1, "memory": False}


class Wrong:
    """A runtime whose heatmaps are a little off."""

    def __init__(self, task):
        self.task = task

    def run(self, *inputs):
        with torch.inference_mode():
            return self.task.module(*inputs) + 2e-4

    def bind(self, *inputs):
        return lambda: self.run(*inputs)

    def synchronise(self):
        pass

    def provenance(self):
        return about_torch(self.task, "by hand")


WRONG = Runtime("wrong", Wrong, "off by 2e-4")


def made(mask, ratio=0.4):
    torch.manual_seed(3)
    model = create_model("tmpose_tiny", mask=mask, mask_ratio=0.0 if mask == "none" else ratio).eval()
    images = torch.randn(2, 3, 96, 72, generator=torch.Generator().manual_seed(1))
    return model, (images, torch.tensor([5, 77]))


def test_eager_is_the_model_and_says_so():
    model, inputs = made("random")
    prepared = prepare("eager", Task(model, inputs, threads=1))
    with torch.no_grad():
        assert torch.equal(prepared.run(*inputs), model(*inputs))
    about = prepared.provenance()
    assert about.version == f"torch {torch.__version__}" and about.provider.startswith("CPU") and about.threads == 1


def test_what_differs_from_eager_in_float32_is_not_timed_and_says_by_how_much(monkeypatch):
    name = f"{__name__}:WRONG"
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(WRONG=WRONG))
    find_runtime.cache_clear()
    ours, wrong = profile("tmpose_tiny", runtimes=("eager", name), masks=["none"], **BRIEFLY)
    assert ours["status"] == "ok" and ours["latency_samples"] == 10 and ours["runtime"] == "eager"
    assert wrong["status"] == "failed" and "differ from eager's by 0.0002" in wrong["error"]
    assert "latency_ms_median" not in wrong and wrong["drift_heatmap"] == pytest.approx(2e-4, rel=0.01)


def a_module():
    """One of nobody's zoo: 3 x 4 x 9 multiply-adds at each of 8 x 8 places, and statistics that are not the first's."""
    torch.manual_seed(4)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    nn.init.uniform_(module[1].running_mean)
    nn.init.uniform_(module[1].running_var, 0.5, 2.0)
    return module.eval()


def test_any_module_is_run_in_each_runtime_and_compared_with_eager(monkeypatch):
    wrong = f"{__name__}:WRONG"
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(WRONG=WRONG))
    find_runtime.cache_clear()
    asked = {"runtimes": ("eager", "fused", wrong), "batch_sizes": (2,)}
    eager, fused, failed = profile(a_module(), inputs=torch.randn(1, 3, 8, 8), **asked, **BRIEFLY)
    assert [row["runtime"] for row in (eager, fused, failed)] == ["eager", "fused", wrong]
    assert eager["macs"] == fused["macs"] == 3 * 4 * 9 * 8 * 8
    assert fused["runtime_options"].startswith("batch_norms=folded") and fused["drift_images"] == "2 example inputs"
    assert fused["latency_x_eager"] == pytest.approx(eager["latency_ms_median"] / fused["latency_ms_median"])
    assert failed["status"] == "failed" and "what it gives differs from eager's by 0.0002" in failed["error"]
    assert eager["status"] == fused["status"] == "ok" and "latency_ms_median" not in failed


def test_a_module_that_gives_no_single_tensor_runs_in_eager_alone():
    class Two(nn.Module):
        def forward(self, x):
            return x + 1, x

    asked = {"inputs": torch.ones(1, 3), "runtimes": ("eager", "fused"), "precisions": ("float32", "bfloat16")}
    rows = profile(Two(), **asked, **BRIEFLY)
    assert {(row["runtime"], row["status"]) for row in rows} == {("eager", "ok"), ("fused", "failed")}
    assert "gives one tensor can be compared, not a tuple" in rows[-1]["error"]


@pytest.mark.parametrize("of", [torch.sum, lambda x: x > 0])
def test_a_module_may_give_one_number_for_a_batch_or_what_has_no_sign(of):
    class Gives(nn.Module):
        def forward(self, x):
            return of(x)

    asked = {"inputs": torch.ones(1, 3), "runtimes": ("eager", "fused"), "batch_sizes": (2,)}
    eager, fused = profile(Gives(), **asked, **BRIEFLY)
    assert eager["status"] == fused["status"] == "ok"
    assert (fused["drift_heatmap"], fused["drift_images"]) == (0, "2 example inputs")


@pytest.mark.onnx
def test_a_module_that_breaks_without_a_word_when_it_is_exported_has_no_onnx_form():
    class Silent(nn.Module):
        def forward(self, x):
            if torch.compiler.is_compiling():
                raise NotImplementedError
            return x + 1

    asked = {"inputs": torch.ones(1, 3), "runtimes": ("eager", "onnxruntime")}
    ours, failed = profile(Silent(), **asked, **BRIEFLY)
    assert ours["status"] == "ok" and failed["error"] == "Silent has no ONNX form: NotImplementedError"


def test_a_file_that_could_not_be_written_whole_is_not_taken_for_one(monkeypatch):
    def full(*where):
        where[-1].write_bytes(b"half")
        raise InputError("no space left")

    monkeypatch.setattr("posebench.benchmark.runtimes.onnx_file._write", full)
    module = a_module()
    for _ in range(2):
        with pytest.raises(InputError, match="no space left"):
            onnx_file(module, (torch.zeros(1, 3, 8, 8),))


@pytest.mark.parametrize("runtime", ["eager", "fused"])
def test_the_peak_of_a_pass_holds_its_input_and_its_output(runtime):
    batch = (torch.ones(2, 3, 8, 8),)
    found = prepared_memory(nn.ReLU(), batch, RunConfig(threads=1, runtime=runtime), CPU)
    assert (found.peak_bytes, found.weights_bytes) == (2 * 4 * batch[0].numel(), 0)


@pytest.mark.onnx
def test_any_module_has_its_memory_in_each_runtime():
    pytest.importorskip("openvino")
    asked = {"runtimes": ("eager", "fused", "onnxruntime", "openvino"), "precisions": ("float32", "int8")}
    rows = profile(a_module(), inputs=torch.randn(1, 3, 8, 8), **asked, **BRIEFLY | {"memory": True})
    by_run = {(row["runtime"], row["dtype"]): row for row in rows}
    assert len(by_run) == 6 and all(row["status"] == "ok" and row["peak_rss_mib"] > 50 for row in rows)
    inputs_and_outputs = 4 * 8 * 8 * (3 + 4)
    for runtime in ("eager", "fused"):
        assert by_run[runtime, "float32"]["peak_memory_mib"] * 2**20 >= inputs_and_outputs
    assert by_run["openvino", "float32"]["peak_memory_mib"] is None
    assert all(0 < by_run[runtime, "int8"]["drift_heatmap"] < 0.5 for runtime in ("onnxruntime", "openvino"))


class WrongAtTheEnd(Wrong):
    """A runtime that loses the last image of a batch."""

    def run(self, *inputs):
        with torch.inference_mode():
            heatmaps = self.task.module(*inputs)
        return torch.cat((heatmaps[:-1], heatmaps[-1:] + 1))


def test_every_place_of_a_batch_is_compared(monkeypatch):
    late = Runtime("late", WrongAtTheEnd, "loses the last image")
    monkeypatch.setattr("posebench.benchmark.runtimes.registry.RUNTIMES", {"late": late})
    find_runtime.cache_clear()
    model, run = made("none")[0], RunConfig(threads=1, runtime="late")
    for size in (2, 12):
        row = time_models({"model": model}, size, [run], device=CPU, threads=1)["model", run]
        assert row["status"] == "failed" and row["drift_heatmap"] == pytest.approx(1, rel=1e-4)
    with pytest.raises(InputError, match=r"runtime late, none: .* differ from eager's by 1,"):
        Running(model, run, CPU)(torch.zeros(12, 3, 96, 72), torch.arange(12))
    find_runtime.cache_clear()


def test_a_saving_is_within_one_precision_and_x_of_eager_against_eager_float32():
    models = {mask: made(mask)[0] for mask in ("none", "uniform")}
    runs, _ = runs_of(RunConfig(), (), ("float32", "bfloat16"))
    rows = time_models(models, 1, runs, device=CPU, threads=1, max_samples=10, max_seconds=0.1, retries=0)
    median = {key: row["latency_ms_median"] for key, row in rows.items()}
    eager, half = runs
    for run in runs:
        ratio = median["uniform", run] / median["none", run]
        assert rows["uniform", run]["latency_vs_unmasked"] == pytest.approx(ratio)
        assert rows["none", run]["latency_vs_unmasked"] is None
    assert rows["none", half]["latency_x_eager"] == pytest.approx(median["none", eager] / median["none", half])
    assert rows["none", eager]["latency_x_eager"] is None
    assert 0 < rows["none", half]["drift_heatmap"] < 0.1 and rows["none", half]["drift_px_max"] >= 0


def test_the_names_of_old_results_stay_and_another_runtime_has_another():
    old = {"device": "cpu", "dtype": "float32", "threads": 1}
    assert to_plain(RunConfig(threads=1)) == old and from_plain(RunConfig, old, "file") == RunConfig(threads=1)
    elsewhere = RunConfig(threads=1, runtime="onnxruntime")
    assert digest(elsewhere) != digest(old) and from_plain(RunConfig, to_plain(elsewhere), "file") == elsewhere


def test_what_there_is_not_is_one_line():
    for name, precision, device, part in [
        ("onnxruntim", "float32", "cpu", "did you mean 'onnxruntime'"),
        ("eager", "int4", "cpu", "give one of float32, bfloat16, float16, int8"),
        ("eager", "int8", "cpu", "does not compute in int8 on cpu; give float32, bfloat16"),
        ("cudagraph", "float32", "cpu", "runs on cuda, not on cpu"),
    ]:
        with pytest.raises(InputError, match=part):
            check_runtime(name, precision, device)
    with pytest.raises(InputError, match="none of eager computes in int8"):
        ProfileConfig(precisions=("float32", "int8")).runs()


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("posebench.benchmark.runtimes.registry.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs onnx, onnxruntime, .*: pip install 'posebench\[openvino\]'"):
        check_runtime("openvino", "float32", "cpu")


def test_a_provider_that_runs_no_node_is_refused_and_a_part_of_them_is_told():
    asked, other = "CUDAExecutionProvider", "CPUExecutionProvider"
    with pytest.raises(InputError, match="was asked for and runs no node, CPUExecutionProvider does"):
        told(asked, {other: 12})
    assert told(asked, {other: 12, asked: 310}) == f"{asked} 310 nodes, {other} 12 nodes"


def test_a_model_in_a_runtime_takes_batches_of_any_size_up_to_its_first():
    model, (images, ids) = made("random")
    running = Running(model, RunConfig(threads=1), CPU)
    with torch.no_grad():
        assert torch.equal(running(images, ids), model(images, ids))
        assert torch.allclose(running(images[1:], ids[1:]), model(images[1:], ids[1:]), atol=1e-6)
    assert not list(running.parameters()), "the model is no part of it, so that nobody moves it"


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="inductor needs a C++ compiler")
def test_compile_gives_the_models_heatmaps_in_one_graph_each():
    for mask in ("random", "tome"):
        model, inputs = made(mask)
        with torch.no_grad():
            prepared = prepare("compile", Task(model, inputs, threads=1))
            assert (prepared.run(*inputs) - model(*inputs)).abs().max() < 1e-5


@pytest.mark.onnx
@pytest.mark.parametrize("mask", [*reduction_names(), "sparse(execution=gather)"])
def test_onnx_runtime_and_openvino_give_the_models_heatmaps_for_any_sample_ids(mask):
    model, (images, ids) = made(mask)
    for runtime in ("onnxruntime", "openvino"):
        if runtime == "openvino":
            pytest.importorskip("openvino")
        prepared = prepare(runtime, Task(model, (images, torch.arange(2)), threads=1))
        with torch.no_grad():
            assert (prepared.run(images, ids) - model(images, ids)).abs().max() < 1e-4, runtime


@pytest.mark.onnx
@pytest.mark.parametrize("mask", ["tome", "tofu", "pitome", "dpcknn", "ats"])
def test_openvino_gives_each_image_of_a_large_batch_its_heatmaps(mask):
    """Sums of whole numbers in the graph were wrong from the twentieth image on."""
    pytest.importorskip("openvino")
    model = create_model("tmpose_tiny", mask=mask, mask_ratio=0.4).eval()
    torch.manual_seed(1)
    images, ids = torch.randn(64, 3, *model.spec.input_size), torch.arange(64)
    prepared = prepare("openvino", Task(model, (images, ids), threads=1))
    with torch.inference_mode():
        torch.testing.assert_close(prepared.run(images, ids), model(images, ids), rtol=0, atol=1e-4)


@pytest.mark.onnx
@pytest.mark.parametrize("mask", ["none", "uniform", "evit", "tome"])
def test_a_vision_transformer_in_onnx_runtime_takes_batches_of_any_size(mask):
    torch.manual_seed(0)
    model = create_model("vitpose_tiny", mask=mask, **({} if mask == "none" else {"mask_ratio": 0.4})).eval()
    images, ids = torch.randn(3, 3, *model.spec.input_size), torch.arange(3)
    prepared = prepare("onnxruntime", Task(model, (images, ids), threads=1))
    with torch.inference_mode():
        torch.testing.assert_close(prepared.run(images, ids), model(images, ids), rtol=0, atol=1e-4)


@pytest.mark.onnx
@pytest.mark.parametrize(("mask", "compiled"), [("none", 1), ("random", 2)])
def test_openvino_compiles_again_for_other_ids_only_where_they_are_used(mask, compiled, monkeypatch):
    pytest.importorskip("openvino")
    from posebench.benchmark.runtimes import openvino

    compile_model, calls = openvino.compile_model, []
    monkeypatch.setattr(openvino, "compile_model", lambda *a, **k: calls.append(a) or compile_model(*a, **k))
    model, (images, ids) = made(mask)
    prepared = prepare("openvino", Task(model, (images, ids), threads=1))
    with torch.no_grad():
        for other in (ids, ids + 3):
            assert (prepared.run(images, other) - model(images, other)).abs().max() < 1e-4
    assert len(calls) == compiled


@pytest.mark.onnx
def test_int8_is_near_and_float16_on_a_processor_without_it_is_refused():
    model, inputs = made("none")
    crops = [(inputs[0][:1], inputs[1][:1]), (inputs[0][1:], inputs[1][1:])]
    with torch.no_grad():
        eager = model(*inputs)
    providers = {}
    for runtime in ("onnxruntime", "openvino"):
        prepared = prepare(runtime, Task(model, inputs, "int8", threads=1, calibration=crops))
        assert 0 < (prepared.run(*inputs) - eager).abs().max() < 0.3 * eager.abs().max()
        providers[runtime] = prepared.provenance().provider
    assert providers["onnxruntime"] == "CPUExecutionProvider"
    assert re.search(r"\d\d nodes u8", providers["openvino"]), "the same file, and its nodes in 8 bits"


class Chooses(nn.Module):
    """Of 48 tokens the 28 that three heads of 17 queries look at most, through a linear layer."""

    def __init__(self):
        super().__init__()
        self.looks, self.layer = nn.Linear(16, 3 * 17), nn.Linear(16, 8)

    def forward(self, tokens):
        attention = self.looks(tokens).transpose(1, 2).unflatten(1, (3, 17)).softmax(dim=3)
        places = attention.mean(dim=1).amax(dim=1).topk(28).indices.sort().values
        return self.layer(tokens.gather(1, places[..., None].expand(-1, -1, 16)))


@pytest.mark.onnx
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_int8_chooses_the_tokens_that_eager_chooses(runtime):
    torch.manual_seed(0)
    model, tokens = Chooses().eval(), torch.randn(24, 48, 16)
    with torch.no_grad():
        eager, others = model(tokens), model(tokens.flip(1))
        prepared = prepare(runtime, Task(model, (tokens,), "int8", threads=1))
    apart = (prepared.run(tokens) - eager).abs().amax(dim=(1, 2))
    assert 0 < apart.max() < 0.05 * eager.abs().max() < (others - eager).abs().amax(dim=(1, 2)).min()
