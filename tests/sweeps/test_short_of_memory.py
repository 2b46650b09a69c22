"""A cell for which memory does not suffice is done with less, and comes to the same scores."""

import os
from pathlib import Path

import numpy as np
import own_model
import pytest

from posebench.pose.evaluation.evaluate import evaluate
from posebench.pose.models.as_trained import load_model
from posebench.pose.models.weights_file import read_weights
from posebench.pose.people.folder import load_people
from posebench.reports.analysis.results import read_results, records_of
from posebench.sweeps.request import parse
from posebench.sweeps.runner import execute

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
    model, _ = load_model(read_weights(next((tmp_path / "out").glob("cells/*/last.pt"))))
    at_once = evaluate(model, load_people(people, "val", input_size=(96, 72)), batch_size=32)
    assert row["ap"] == at_once.metrics["ap"] and row["ar"] == at_once.metrics["ar"]
    assert (row["ap_ci_low"], row["ap_ci_high"]) == at_once.ci["ap"]
    with np.load(next((tmp_path / "out").glob("cells/*/evidence.npz"))) as evidence:
        assert len(evidence["score"]) == 24
        for name, values in at_once.evidence.items():
            np.testing.assert_allclose(evidence[name], values, rtol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_training_that_does_not_fit_fails_and_never_with_another_batch(hungry, people, tmp_path, monkeypatch):
    monkeypatch.setenv("HUNGRY", "in training")
    events = []
    options = {"models": hungry, "masks": "none", "data": people, "epochs": 1, "input_size": "96x72", "workers": 1}
    outcome = execute(parse(options | {"latency": False, "out": tmp_path / "out", "jobs": 1}), events.append)
    (error,) = outcome.failed.values()
    assert "can't allocate memory" in error
    assert len([event for event in events if event.kind == "retry"]) == 1  # without its loader process
