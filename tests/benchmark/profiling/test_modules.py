"""Any module's rows: its count, its times at each batch size, and its memory."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from posebench.benchmark.profiling.config import ProfileConfig, RunConfig
from posebench.benchmark.profiling.modules import profile_modules
from posebench.pose.errors import InputError

BRIEFLY = ProfileConfig(RunConfig(threads=1), samples=10, seconds=0.3, memory=False)


class Local(nn.Linear):
    """A class that another process cannot import."""


def test_any_module_can_be_profiled_at_several_batch_sizes():
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64))
    how = ProfileConfig(RunConfig(threads=1), batch_sizes=(1, 8), samples=12, seconds=0.3, memory=False)
    rows = profile_modules({"perceptron": model}, torch.randn(3, 64), how)
    assert [row["batch_size"] for row in rows] == [1, 8]
    for row in rows:
        assert row["model"] == "perceptron"
        assert row["params"] == 64 * 256 + 256 + 256 * 64 + 64
        assert row["macs"] == 2 * 64 * 256 == row["gflops"] * 1e9  # of one sample, whatever the batch
        assert row["latency_samples"] == 12
        assert row["threads"] == 1
    assert model.training  # the caller's own is as it was


def test_the_memory_of_any_module_is_taken_at_the_batch_size_in_a_process_of_its_own():
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64))
    (row,) = profile_modules({"x": model}, torch.randn(3, 64), replace(BRIEFLY, batch_sizes=(8,), memory=True))
    assert row["peak_memory_mib"] * 2**20 == 4 * 8 * (64 + 256 + 256)
    assert row["weights_mib"] * 2**20 == 4 * row["params"]
    assert row["peak_rss_mib"] > 10


def test_a_module_whose_operators_cannot_be_counted_is_still_timed_and_says_so():
    class Inverse(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.inv(x)

    (row,) = profile_modules({"x": Inverse()}, torch.eye(4)[None], replace(BRIEFLY, samples=3))
    assert row["macs"] is None and row["gflops"] is None
    assert "linalg_inv" in row["error"]
    assert row["latency_samples"] == 3


def test_a_module_that_another_process_cannot_import_is_measured_here_without_resident_memory():
    Local.__qualname__ = "nowhere.Local"
    threads = torch.get_num_threads()
    (row,) = profile_modules({"local": Local(8, 8)}, torch.randn(1, 8), replace(BRIEFLY, memory=True))
    assert row["peak_memory_mib"] * 2**20 == 4 * (8 + 8)
    assert row["peak_rss_mib"] is None
    assert torch.get_num_threads() == threads


def test_wrong_counts_are_one_clear_line():
    with pytest.raises(InputError, match="batch size 0: give a whole number of at least 1"):
        profile_modules({"x": nn.ReLU()}, torch.ones(1), ProfileConfig(batch_sizes=(0,)))
