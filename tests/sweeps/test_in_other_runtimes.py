"""What a sweep says of a cell in another runtime than eager: what that executes, and what it takes."""

import json
from dataclasses import replace

import pytest
import torch
from small_sweeps import RUN, unmasked

from posebench.benchmark.counting.flops import count_flops
from posebench.benchmark.profiling.models import model_memory, time_models
from posebench.benchmark.runtimes.descriptor import Runtime
from posebench.benchmark.runtimes.eager import about_torch
from posebench.benchmark.runtimes.registry import find_runtime
from posebench.pose.fusion.fuse import fuse
from posebench.pose.models.choices import asked_model
from posebench.pose.models.zoo import create_model
from posebench.reports.analysis.results import is_missing, read_results, records_of
from posebench.sweeps.config import Job, timing_key
from posebench.sweeps.data import digest, load_split
from posebench.sweeps.request import parse
from posebench.sweeps.runner import run_sweep
from posebench.sweeps.store import run_file
from posebench.sweeps.timing import TimingJob, measure
from posebench.sweeps.work import evaluate_runs


class Silent:
    def progress(self, stage):
        return lambda *_, **__: None


def test_a_fused_model_has_the_counts_of_what_is_executed_and_the_memory_of_that(tmp_path):
    config, fused = asked_model("tmpose_tiny", mask="random", mask_ratio=0.5), replace(RUN, runtime="fused")
    job = TimingJob((config,), RUN, "cpu", (2,), samples=5, runs=(RUN, fused))
    timings = measure(tmp_path, job, Silent())["timings"]
    row = timings[timing_key(config, fused)]["2"]
    executed = count_flops(fuse(create_model(config)))
    assert (row["macs"], row["macs_transformer"]) == (executed.macs, executed.macs_transformer)
    assert row["gflops_blocks"] == executed.parts["blocks"] / 1e9
    found = model_memory(config, 2, fused, torch.device("cpu"))
    assert row["peak_memory_mib"] == pytest.approx(found.peak_bytes / 2**20, rel=1e-6)
    assert not {"macs", "peak_memory_mib"} & timings[timing_key(config, RUN)]["2"].keys(), "the cell measures its own"


class Broken:
    """A runtime whose heatmaps are not numbers."""

    def __init__(self, task):
        self.task = task

    def run(self, *inputs):
        return torch.full((len(inputs[0]), 17, 24, 18), float("nan"))

    def bind(self, *inputs):
        return lambda: self.run(*inputs)

    def provenance(self):
        return about_torch(self.task, "by hand")


class BrokenLater(Broken):
    """The same behind its first call, which alone is compared."""

    def __init__(self, task):
        super().__init__(task)
        self.calls = 0

    def run(self, *inputs):
        self.calls += 1
        return self.task.module(*inputs) if self.calls == 1 else super().run(*inputs)


def test_a_runtime_that_gives_nan_is_an_error_of_its_rows_and_of_nothing_else(people, tmp_path, monkeypatch):
    broken, later = Runtime("broken", Broken, "gives NaN"), Runtime("later", BrokenLater, "gives NaN")
    monkeypatch.setattr("posebench.benchmark.runtimes.registry.RUNTIMES", {"broken": broken, "later": later})
    find_runtime.cache_clear()
    config, run = asked_model("tmpose_tiny", "none"), replace(RUN, runtime="broken", dtype="bfloat16")
    model = create_model(config)
    row = time_models({"model": model.eval()}, 1, [run], device=torch.device("cpu"), threads=1)["model", run]
    assert row["status"] == "failed" and "in bfloat16 it gives NaN" in row["error"]
    runs = (run, replace(run, runtime="later"))
    cell = unmasked(model=config)
    judged_by = digest(load_split(people, "val", model.spec, "gt"))
    cell = replace(cell, eval=replace(cell.eval, data=judged_by, boxes="gt"))
    evaluate_runs(model, Job(cell, str(people), "gt", "cpu", runs=runs), tmp_path, Silent())
    for one in runs:
        written = json.loads(run_file(tmp_path, one).read_text())
        assert written["status"] == "failed" and "NaN" in written["error"]
    find_runtime.cache_clear()


@pytest.mark.onnx
def test_each_row_of_a_sweep_has_the_counts_and_memory_of_its_runtime(tmp_path):
    asked = {"profile_only": True, "masks": "random", "ratios": "0.5", "threads": 1, "jobs": 1, "samples": 5}
    run_sweep(parse(asked | {"runtimes": "eager,fused,onnxruntime"}), out=tmp_path / "sweep")
    rows = records_of(read_results(tmp_path / "sweep" / "results.csv"))
    by_place = {(row["runtime"], row["mask"]): row for row in rows}
    assert len(by_place) == 6 and all(row["status"] == "ok" and row["peak_rss_mib"] > 100 for row in rows)
    for mask in ("none", "random"):
        eager, fused, other = (by_place[runtime, mask] for runtime in ("eager", "fused", "onnxruntime"))
        assert fused["gflops"] < eager["gflops"] == other["gflops"]
        assert is_missing(other["peak_memory_mib"]) and fused["peak_memory_mib"] < eager["peak_memory_mib"]
