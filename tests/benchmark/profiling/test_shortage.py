"""What is too big, or cannot be measured, costs nothing that was measured of the others."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from posebench import create_model
from posebench.benchmark.instruments import energy, processes
from posebench.benchmark.instruments.timing import Subject
from posebench.benchmark.profiling import in_runtime, models, subjects
from posebench.benchmark.profiling.config import ProfileConfig, RunConfig
from posebench.benchmark.profiling.modules import profile_modules
from posebench.benchmark.runtimes.onnxruntime import OnnxSession
from posebench.benchmark.runtimes.prepared import Provenance

BRIEFLY = {"samples": 10, "seconds": 0.1, "threads": 1}


class Big(nn.Module):
    """Asks for more memory than there is at batches above 2."""

    def forward(self, x):
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total ...")
        return x + 1


def test_a_module_too_big_for_a_batch_has_an_error_there_and_the_others_their_times():
    how = ProfileConfig(RunConfig(threads=1), batch_sizes=(1, 4), samples=10, seconds=0.1, memory=False)
    found = profile_modules({"a": Big(), "b": nn.ReLU()}, torch.ones(1, 3), how)
    rows = {(row["model"], row["batch_size"]): row for row in found}
    failed = rows.pop(("a", 4))
    assert failed["status"] == "failed" and failed["error"].startswith("out of memory: CUDA out of memory")
    assert all(row["latency_samples"] == 10 and row["status"] == "ok" for row in rows.values())


class Fail(Exception):
    """As ONNX Runtime raises it: no RuntimeError."""


def test_a_batch_that_onnx_runtime_finds_no_memory_for_fails_alone():
    def run(outputs, feeds):
        if len(feeds["input_0"]) > 2:
            raise Fail("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested buffer of size 20280")
        return [feeds["input_0"]]

    session = OnnxSession(SimpleNamespace(run=run), ("input_0",), torch.device("cpu"), Provenance("", ""))
    calls = {size: Subject(session.bind(torch.ones(size, 3))) for size in (1, 4)}
    rows = subjects.measure_subjects(calls, 1, device=torch.device("cpu"), max_samples=10, retries=0)
    assert rows[1]["latency_samples"] == 10
    assert rows[4]["status"] == "failed" and rows[4]["error"].startswith("out of memory: [ONNXRuntimeError]")


def test_a_gpu_that_tells_its_energy_no_more_leaves_the_times(monkeypatch):
    told = iter([7.0, None])
    monkeypatch.setattr(energy, "gpu_of", lambda device: SimpleNamespace(joules=lambda: next(told)))
    counter = energy.energy_counter(torch.device("cuda"))
    monkeypatch.setattr(subjects, "measure_energy", partial(energy.measure_energy, window=0.0, rest=0.0))
    calls = {"x": Subject(lambda: None)}
    how = {"device": torch.device("cpu"), "max_samples": 10, "retries": 0, "counter": counter}
    (row,) = subjects.measure_subjects(calls, 1, **how).values()
    assert row["latency_samples"] == 10
    assert row["error"] == "energy was not measured: NVML does not tell the energy any more"


def test_openvino_finds_no_memory_in_words_of_its_own():
    said = (
        "Exception from src/inference/src/cpp/core.cpp:117:\nException from src/inference/src/dev/plugin.cpp:54:\n"
        "Check 'ptr' failed at src/plugins/intel_cpu/src/cpu_memory.cpp:257:\n"
        "Failed to allocate 77414400 bytes of memory"
    )

    def call():
        raise RuntimeError(said)

    rows = subjects.measure_subjects({"x": Subject(call)}, 1, device=torch.device("cpu"), max_samples=10, retries=0)
    assert rows["x"] == {"status": "failed", "error": "out of memory: Failed to allocate 77414400 bytes of memory"}


@pytest.fixture
def too_big(monkeypatch):
    """Heads of tmpose_tiny that find no memory for a batch above 1 of a masked model."""
    forward = models.PoseModel.forward

    def starved(model, images, *rest, **named):
        if len(images) > 1 and not model.spec.reduction.is_none:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory")
        return forward(model, images, *rest, **named)

    monkeypatch.setattr(models.PoseModel, "forward", starved)


def test_a_masked_model_too_big_for_a_batch_leaves_the_unmasked_ones_times(too_big):
    rows = models.profile("tmpose_tiny", masks=["random"], ratios=[0, 0.4], batch_sizes=[1, 2], memory=False, **BRIEFLY)
    status = {(row["mask"], row["batch_size"]): row["status"] for row in rows}
    assert status == {("none", 1): "ok", ("random", 1): "ok", ("none", 2): "ok", ("random", 2): "failed"}
    assert "can't allocate memory" in rows[-1]["error"] and "latency_ms_median" not in rows[-1]


def refused(*_):
    raise RuntimeError("model_memory, in a process of its own: killed by SIGKILL; out of memory is the usual cause")


def test_a_refused_process_for_memory_leaves_the_times(monkeypatch):
    monkeypatch.setattr(models, "in_own_process", refused)
    (row,) = models.profile("tmpose_tiny", **BRIEFLY)
    assert row["latency_samples"] == 10 and row["status"] == "ok"
    assert row["error"].startswith("memory was not measured: model_memory, in a process of its own: killed by SIGKILL")


def test_a_killed_process_of_several_costs_its_batch_size_alone(monkeypatch):
    def here(function, *args):
        return refused() if args[-2] == 2 and args[-1] == 1 else function(*args)

    monkeypatch.setattr(processes, "in_own_process", here)  # the second process at a batch of 2 is killed
    how = BRIEFLY | {"processes": 2, "memory": False}
    rows = models.profile("tmpose_tiny", masks=["none", "random"], ratios=[0.4], batch_sizes=[2, 1], **how)
    assert [row["status"] for row in rows] == ["failed", "failed", "ok", "ok"]
    assert "killed by SIGKILL" in rows[0]["error"] and "latency_ms_median" not in rows[0]
    assert all(row["latency_processes"] == 2 for row in rows[2:])


def test_on_an_accelerator_the_transformer_part_is_a_part_of_the_one_model_there(monkeypatch):
    """Laid on the meta device, with runtimes that only remember what they are given."""
    tasks = []

    class Prepared:
        pass

    monkeypatch.setattr(in_runtime, "prepare", lambda name, task: tasks.append(task) or Prepared())
    model = create_model("tmpose_tiny").eval()
    images = torch.zeros(2, 3, *model.spec.input_size)
    with pytest.raises(AttributeError):  # what was prepared knows nothing to ask
        in_runtime.place_model(model, RunConfig(), torch.device("meta"), images)
    whole, part = tasks
    assert part.module is whole.module.transformer and whole.module is not model
    assert {value.device.type for value in whole.module.parameters()} == {"meta"}
    assert {value.device.type for value in model.parameters()} == {"cpu"}
