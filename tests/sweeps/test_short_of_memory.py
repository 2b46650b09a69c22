"""A cell for which memory does not suffice is done with less, and comes to the same scores."""

import json
import os
import re
from pathlib import Path

import numpy as np
import own_model
import pytest
import torch
from small_sweeps import unmasked

from posebench.benchmark.instruments.device import torch_threads
from posebench.benchmark.profiling.models import time_models
from posebench.pose.evaluation.evaluate import evaluate
from posebench.pose.models.as_trained import load_model
from posebench.pose.models.choices import asked_model
from posebench.pose.models.weights_file import read_weights
from posebench.pose.models.zoo import create_model
from posebench.pose.people.folder import load_people
from posebench.reports.analysis.results import read_results, records_of
from posebench.sweeps.config import Job
from posebench.sweeps.request import parse
from posebench.sweeps.runner import execute
from posebench.sweeps.store import memory_file
from posebench.sweeps.work import measure_memory

#: takes 1 GiB of addresses for each person that it evaluates, of which the system gives its process 12 (it uses none)
HUNGRY = """
import os, re, resource
import torch
from own_model import Small
GIB = 2**30

class Hungry(Small):
    def forward(self, images):
        if os.environ.get("HUNGRY") == ("in training" if self.training else "yes"):
            held = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
            resource.setrlimit(resource.RLIMIT_AS, (held + 12 * GIB, -1))
            torch.empty(len(images) * GIB, dtype=torch.uint8)
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        return super().forward(images)

def build(keypoints, input_size):
    return Hungry(keypoints)
"""


@pytest.fixture
def hungry(tmp_path, monkeypatch):
    (tmp_path / "hungry_network.py").write_text(HUNGRY)
    paths = [str(tmp_path), str(Path(own_model.__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HUNGRY", "yes")
    return "hungry_network:build"


def test_a_cell_without_enough_memory_is_evaluated_in_smaller_batches_with_the_same_scores(
    hungry, people, tmp_path, monkeypatch
):
    events = []
    options = {"models": hungry, "masks": "none", "data": people, "epochs": 1, "input_size": "96x72"}
    request = parse(options | {"latency": False, "out": tmp_path / "out", "jobs": 1})
    outcome = execute(request, events.append)
    assert outcome.failed == {}
    retries = [event.info["error"] for event in events if event.kind == "retry"]
    assert len(retries) == 2 and all("can't allocate memory" in error for error in retries)  # of 32 and of 16
    (row,) = records_of(read_results(tmp_path / "out" / "results.csv"))
    assert row["status"] == "ok" and row["eval_batch"] == 8

    monkeypatch.setenv("HUNGRY", "no")
    model, _ = load_model(read_weights(next((tmp_path / "out").glob("cells/*/last.pt"))), name=hungry)
    at_once = evaluate(model, load_people(people, "val", input_size=(96, 72)), batch_size=32)
    assert row["ap"] == at_once.metrics["ap"] and row["ar"] == at_once.metrics["ar"]
    assert (row["ap_ci_low"], row["ap_ci_high"]) == at_once.ci["ap"]
    with np.load(next((tmp_path / "out").glob("cells/*/evidence.npz"))) as evidence:
        assert len(evidence["score"]) == 24
        for name, values in at_once.evidence.items():
            np.testing.assert_allclose(evidence[name], values, rtol=1e-5, err_msg=name)


class Silent:
    def progress(self, stage):
        return lambda *_: None


def test_a_batch_that_is_larger_than_the_memory_costs_the_others_nothing(tmp_path):
    config = asked_model("tmpose_tiny", "none")
    job = Job(unmasked(model=config), "", "gt", "cpu", batch_sizes=(2, 2**40))
    measure_memory(create_model(config), job, tmp_path, Silent())
    fits, too_large = (json.loads(memory_file(tmp_path, size).read_text()) for size in job.batch_sizes)
    assert fits["peak_memory_mib"] > 0 and "error" not in fits
    assert re.fullmatch("memory was not measured: batch size 1099511627776: .* GiB are free", too_large["error"])
    with torch_threads(1):
        times = time_models({"model": create_model(config).eval()}, 2**40, device=torch.device("cpu"))
    assert [(row["status"], row["error"][:10]) for row in times.values()] == [("failed", "batch size")]


@pytest.mark.slow
def test_a_training_that_does_not_fit_fails_and_never_with_another_batch(hungry, people, tmp_path, monkeypatch):
    monkeypatch.setenv("HUNGRY", "in training")
    events = []
    options = {"models": hungry, "masks": "none", "data": people, "epochs": 1, "input_size": "96x72", "workers": 1}
    outcome = execute(parse(options | {"latency": False, "out": tmp_path / "out", "jobs": 1}), events.append)
    (error,) = outcome.failed.values()
    assert "can't allocate memory" in error
    assert len([event for event in events if event.kind == "retry"]) == 1  # without its loader process
