"""Rows of the zoo's models: what is in them, and that they agree with instruments used one by one."""

import json

import pytest
import torch
from torch import nn

from posebench.benchmark.counting.flops import flops_row
from posebench.benchmark.instruments.energy import Counter
from posebench.benchmark.instruments.memory import peak_memory
from posebench.benchmark.profiling import models, subjects
from posebench.benchmark.profiling.models import profile
from posebench.pose.errors import InputError
from posebench.pose.models.choices import choose_models
from posebench.pose.models.zoo import create_model


def choices(*arguments):
    return [(config.name, config.mask, config.mask_ratio) for config in choose_models(*arguments)]


@pytest.fixture(scope="module")
def rows():
    return profile(
        "tmpose_tiny", masks=["random", "semantic"], ratios=[0, 0.5], threads=1, samples=10, seconds=0.5, memory=False
    )


def test_the_unmasked_model_is_measured_once_whatever_the_masks():
    assert choices(["tmpose_tiny"], ["random", "semantic", "none"], [0, 0.5]) == [
        ("tmpose_tiny", "none", 0.0),
        ("tmpose_tiny", "random", 0.5),
        ("tmpose_tiny", "semantic", 0.5),
    ]


def test_without_masks_and_ratios_a_model_is_what_its_name_says():
    assert choices(["tokenpose_b", "tmpose_b"]) == [("tokenpose_b", "none", 0.0), ("tmpose_b", "random", 0.4)]
    assert choices(["tmpose_b"], [], [0.4, 0.6]) == [("tmpose_b", "random", 0.4), ("tmpose_b", "random", 0.6)]


def test_a_model_and_its_alias_are_one():
    assert len(choose_models(["tmpose_l", "tmpose_l_d24"])) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["tokenpose_b"], ["semantic"]), "mask 'semantic' for tokenpose_b, .*: give one, such as 0.4"),
        ((["tokenpose_b"], [], [0.4]), "mask ratio 0.4 for tokenpose_b, .*: name one, such as semantic"),
        ((["tmpose_b"], ["semantik"], [0.4]), "did you mean 'semantic'"),
        ((["tmpose_b"], ["random"], [1.0]), "mask ratio 1.0"),
        ((["tmpose_bb"],), "did you mean 'tmpose_b'"),
    ],
)
def test_a_choice_that_cannot_be_built_is_one_clear_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        choose_models(*arguments)
    assert "\n" not in str(caught.value)


def test_a_row_holds_the_counts_of_the_flop_counter(rows):
    for row in rows:
        expected = flops_row(create_model("tmpose_tiny", mask=row["mask"], mask_ratio=row["mask_ratio"]))
        assert {name: row[name] for name in expected} == expected


def test_both_parts_are_timed_and_compared_with_the_unmasked_model(rows):
    unmasked, *masked = rows
    assert (unmasked["mask"], unmasked["mask_ratio"]) == ("none", 0.0)
    for part in ("latency", "latency_transformer"):
        assert unmasked[f"{part}_vs_unmasked"] is None
        for row in masked:
            expected = row[f"{part}_ms_median"] / unmasked[f"{part}_ms_median"]
            assert row[f"{part}_vs_unmasked"] == pytest.approx(expected)
            assert len(row[f"{part}_ms_samples"]) == 10


def test_a_row_carries_its_conditions_and_is_json(rows):
    for row in rows:
        assert (row["device"], row["dtype"], row["batch_size"], row["threads"]) == ("cpu", "float32", 1, 1)
        assert row["precision"] == "float32" and row["torch_version"] == torch.__version__
    assert json.loads(json.dumps(rows, default=str))[0]["model"] == "tmpose_tiny"


def test_the_memory_of_a_row_is_that_of_the_same_model_here():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = create_model("tmpose_tiny", mask="uniform", mask_ratio=0.5).eval()
    expected = peak_memory(model, (torch.randn(2, 3, *model.spec.input_size), torch.arange(2)))
    torch.set_num_threads(threads)
    (row,) = profile("tmpose_tiny", masks=["uniform"], ratios=[0.5], batch_sizes=[2], threads=1, samples=1, seconds=0.1)
    assert row["peak_memory_mib"] * 2**20 == expected.peak_bytes
    assert row["weights_mib"] * 2**20 == expected.weights_bytes
    assert row["peak_rss_mib"] > row["weights_mib"]


def test_progress_tells_the_stage():
    seen = []
    profile(
        ["tmpose_tiny"],
        samples=3,
        seconds=0.1,
        threads=1,
        memory=False,
        progress=lambda done, total, stage: seen.append((done, total, stage)),
    )
    assert seen[:3] == [(1, 3, "latency"), (2, 3, "latency"), (3, 3, "latency")]


def test_any_module_can_be_given_with_inputs():
    (row,) = profile(nn.Linear(8, 8), inputs=torch.ones(1, 8), samples=3, seconds=0.1, threads=1, memory=False)
    assert (row["model"], row["params"], row["latency_samples"]) == ("Linear", 72, 3)
    with pytest.raises(TypeError, match="needs example inputs"):
        profile(nn.Linear(8, 8))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_profiling_on_a_device_that_is_not_there_is_one_clear_line():
    with pytest.raises(InputError, match="no CUDA device is usable here"):
        profile("tmpose_tiny", device="cuda")


def test_energy_stands_beside_the_times(monkeypatch):
    joules = iter(range(1000))
    monkeypatch.setattr(models, "energy_counter", lambda device: Counter(lambda: float(next(joules)), "by hand"))
    found, measure = [], subjects.measure_energy
    monkeypatch.setattr(subjects, "measure_energy", lambda *args, **how: found.append(
        measure(*args, **how, window=0.05, rest=0.0, windows=3)) or found[-1])  # fmt: skip
    how = dict(masks=["uniform"], ratios=[0.4], baseline=True, memory=False, energy=True, batch_sizes=[2])
    rows = profile("tmpose_tiny", **how, samples=10, seconds=0.1, threads=1)
    assert [row["mask"] for row in rows] == ["none", "uniform"]
    for row, used in zip(rows, found[0].values(), strict=True):
        assert row["joules_per_image"] == pytest.approx(sorted(used.joules_per_image)[1])
        assert row["energy_method"] == "by hand, 3 windows of 0.05 s"
    assert rows[0]["joules_vs_unmasked"] is None
    assert rows[1]["joules_vs_unmasked_low"] <= rows[1]["joules_vs_unmasked"] <= rows[1]["joules_vs_unmasked_high"]
