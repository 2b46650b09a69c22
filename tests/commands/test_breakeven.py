"""`breakeven` says for programs what it found, and by its exit code whether everything could be measured."""

import csv
import io
from dataclasses import replace

import pytest

from posebench.benchmark.runtimes.catalogue import RUNTIMES
from posebench.benchmark.runtimes.eager import InTorch, about_torch, precision_of
from posebench.reports.analysis.results import read_results

BRIEFLY = ("--mask", "uniform", "--ratios", 0.4, "--batch-sizes", 1, "--samples", 5, "--seconds", 0.1, "--threads", 1)


def off(task):
    """Heatmaps that are not eager's."""
    return InTorch(lambda *inputs: task.module(*inputs) + 2e-4, precision_of(task), about_torch(task, "by hand"))


def test_what_failed_is_named_and_exit_1_and_the_rest_is_told_and_kept(posebench, monkeypatch):
    monkeypatch.setitem(RUNTIMES, "off", replace(RUNTIMES["eager"], name="off", prepare=off))
    code, out, err = posebench("breakeven", *BRIEFLY, "--runtime", "eager,off", "--format", "csv", "--quiet",
                               "--out", "run")  # fmt: skip
    lines = out.splitlines()
    assert len(lines) == 2, "no line but the head and the one"
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["mask"], row["runtime"], row["batch_size"], row["part"]) == ("uniform", "eager", "1", "whole")
    kept = read_results("run/results.csv").to_dict("records")
    eager, failed = ([row for row in kept if row["runtime"] == name] for name in ("eager", "off"))
    assert float(row["saved_0.4"]) == pytest.approx(1 - eager[1]["latency_vs_unmasked"], abs=1e-4)
    assert [one["status"] for one in failed] == ["failed"] * 2
    assert code == 1
    assert "tmpose_tiny uniform 0.4, off float32: not timed: heatmaps differ from eager's by 0.0002" in err


@pytest.mark.parametrize("nothing", [("--mask", "none"), ("--ratios", "0")])
def test_nothing_masked_is_refused_before_anything_is_measured(nothing, posebench, monkeypatch):
    monkeypatch.setattr("posebench.benchmark.profiling.models.profile_models", None)
    assert posebench("breakeven", *BRIEFLY, *nothing)[::2] == (
        2, "posebench: error: nothing is masked: give --mask and --ratios above 0\n",
    )  # fmt: skip
