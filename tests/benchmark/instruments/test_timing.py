"""Rows of latencies: units, parts, baselines, number formats."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from posebench.benchmark.instruments.precision import Precision
from posebench.benchmark.instruments.timing import Subject, time_together
from posebench.benchmark.profiling.config import ProfileConfig, RunConfig
from posebench.benchmark.profiling.modules import profile_modules
from posebench.pose.errors import InputError

CPU = torch.device("cpu")
BRIEFLY = ProfileConfig(RunConfig(threads=1), samples=10, seconds=0.3, memory=False)


class Local(nn.Linear):
    """A class that another process cannot import."""


def work(size: int):
    matrix = torch.randn(size, size)
    return lambda: matrix @ matrix


@pytest.fixture(scope="module")
def rows():
    subjects = {
        "full": Subject(work(512), work(256)),
        "masked": Subject(work(256), work(128), baseline="full"),
        "plain": Subject(work(64), baseline="absent"),
    }
    return time_together(subjects, 4, max_samples=70, threads=1, retries=0)


def test_the_columns_summarise_the_raw_samples_in_milliseconds(rows):
    row = rows["full"]
    samples = np.array(row["latency_ms_samples"])
    assert len(samples) == row["latency_samples"] == 70
    assert row["latency_ms_median"] == pytest.approx(np.median(samples))
    assert row["latency_ms_p90"] == pytest.approx(np.quantile(samples, 0.9))
    assert row["latency_ms_p95"] is None
    assert row["latency_ms_median_low"] <= row["latency_ms_median"] <= row["latency_ms_median_high"]
    assert row["throughput_images_per_s"] == pytest.approx(4 * 1000 / np.median(samples))


def test_the_saving_is_the_ratio_to_the_baseline_of_the_same_part(rows):
    for part in ("latency", "latency_transformer"):
        masked, full = (rows[name][f"{part}_ms_median"] for name in ("masked", "full"))
        assert rows["masked"][f"{part}_vs_unmasked"] == pytest.approx(masked / full)
        assert rows["masked"][f"{part}_vs_unmasked_low"] <= masked / full <= rows["masked"][f"{part}_vs_unmasked_high"]


def test_the_model_and_its_transformer_have_each_their_own_time_and_saving(spend):
    subjects = {
        "full": Subject(spend(8_000_000), spend(2_000_000)),
        "masked": Subject(spend(6_000_000), spend(500_000), baseline="full"),
    }
    rows = time_together(subjects, 3, max_samples=10, threads=1, retries=0)
    row = rows["masked"]
    assert (row["latency_ms_median"], row["latency_transformer_ms_median"]) == (6.0, 0.5)
    assert (row["latency_vs_unmasked"], row["latency_transformer_vs_unmasked"]) == (0.75, 0.25)
    assert row["throughput_images_per_s"] == 500


def test_what_was_not_measured_has_no_value(rows):
    assert not any("transformer" in column for column in rows["plain"])
    for row in (rows["plain"], rows["full"]):
        assert {value for column, value in row.items() if "unmasked" in column} == {None}


def test_bfloat16_on_a_cpu_is_autocast_and_says_so():
    precision = Precision(torch.bfloat16, CPU)
    layer = precision.place(nn.Linear(4, 4))
    assert layer.weight.dtype == torch.float32
    assert precision.bind(layer, precision.place_tensor(torch.ones(1, 4)))().dtype == torch.bfloat16
    assert precision.text == "autocast to bfloat16"


def test_float32_is_left_as_it_is():
    precision = Precision(torch.float32, CPU)
    layer = precision.place(nn.Linear(4, 4).train())
    assert not layer.training
    assert precision.bind(layer, torch.ones(1, 4))().dtype == torch.float32
    assert precision.text == "float32"


def test_on_cuda_weights_and_floating_inputs_would_be_cast():
    precision = Precision(torch.float16, torch.device("meta"))  # any device but the CPU
    assert precision.place(nn.Linear(4, 4)).weight.dtype == torch.float16
    assert precision.place_tensor(torch.ones(2)).dtype == torch.float16
    assert precision.place_tensor(torch.arange(2)).dtype == torch.int64
    assert precision.text == "weights cast to float16"


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
