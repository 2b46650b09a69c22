"""What a sweep says of a cell in another runtime than eager: what that executes, and what it takes."""

from dataclasses import replace

import pytest
import torch
from small_sweeps import RUN

from posebench.benchmark.counting.flops import count_flops
from posebench.benchmark.profiling.models import model_memory
from posebench.pose.fusion.fuse import fuse
from posebench.pose.models.choices import asked_model
from posebench.pose.models.zoo import create_model
from posebench.reports.analysis.results import is_missing, read_results, records_of
from posebench.sweeps.config import timing_key
from posebench.sweeps.request import parse
from posebench.sweeps.runner import run_sweep
from posebench.sweeps.timing import TimingJob, measure


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
