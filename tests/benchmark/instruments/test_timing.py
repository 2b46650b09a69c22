"""Rows of latencies: units, parts, baselines, number formats."""

import numpy as np
import pytest
import torch
from torch import nn

from posebench.benchmark.instruments.precision import Precision
from posebench.benchmark.instruments.timing import Subject, time_together
from posebench.row import Row

CPU = torch.device("cpu")


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


def test_eager_beside_its_graph_says_whether_launches_bind_and_the_cache_is_warm_or_cold(spend):
    subject = {
        "launches": Subject(spend(9000), graph=spend(3000), transformer=spend(1000), transformer_graph=spend(950)),
    }
    flushed = []
    rows = time_together(subject, 1, flush=lambda: flushed.append(1), max_samples=10, retries=0)
    row = Row.of(rows["launches"])
    assert (row.latency.ms_median, row.latency.graph_ms_median) == pytest.approx((9e-3, 3e-3))
    assert row.latency.launch_bound is True and row.latency_transformer.launch_bound is False
    assert (row.latency.warm_ms_median, row.latency.cold_ms_median) == pytest.approx((9e-3, 9e-3))
    assert len(flushed) >= 2 * 10
