"""Scalars go to the tracker that was asked for, and nowhere without one."""

import json

import pytest

from posebench.pose.synth import write_synthetic

#: a user's own tracker, which speaks in lines of a file
OWN = '''
import json
from pathlib import Path

class Lines:
    def __init__(self, file, name, params):
        self.file = file
        self.say(kind="open", name=name, params={key: str(value) for key, value in params.items()})

    def say(self, **line):
        with open(self.file, "a") as file:
            file.write(json.dumps(line) + "\\n")

    def log(self, values, step=None):
        self.say(kind="log", values=dict(values), step=step)

    def finish(self):
        self.say(kind="finish")

def open_run(name, params, where, folder):
    return Lines(Path("lines.jsonl"), name, params)
'''


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people") / "synth"
    write_synthetic(folder, train=16, val=8)
    return folder


@pytest.fixture
def train(posebench, people):
    def run(*more):
        return posebench("train", "--model", "tmpose_tiny", "--mask", "random", "--data", people, "--epochs", 2,
                         "--evaluate-every", 0, "--out", "run", "--quiet", *more)  # fmt: skip

    return run


def test_a_tracker_of_ones_own_gets_every_scalar_of_a_training(train, tmp_path):
    (tmp_path / "my_tracker.py").write_text(OWN)
    code, _, error = train("--track", "my_tracker:open_run")
    assert code == 0, error
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in (lines[0], lines[-1])] == ["open", "finish"]
    assert lines[0]["name"] == "run" and lines[0]["params"]["mask"] == "random" and lines[0]["params"]["epochs"] == "2"
    logged = [line for line in lines if line["kind"] == "log"]
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert logged[-1]["step"] == int(dict(zip(log[0].split(","), log[-1].split(","), strict=True))["step"])
    assert {"loss", "learning_rate", "epoch"} <= logged[-1]["values"].keys()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("tensorbord", "known are tensorboard"),
        ("nowhere:open_run", "cannot import nowhere"),
        ("json:decoder", "is a module"),
    ],
)
def test_a_tracker_that_is_not_there_is_told_before_anything_is_written(train, tmp_path, asked, words):
    code, _, error = train("--track", asked)
    assert code == 2 and words in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.optional
def test_tensorboard_reads_what_was_logged(train, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert train("--track", "tensorboard")[0] == 0
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "run")).Reload()
    losses = events.Scalars("loss")
    assert losses and all(scalar.value > 0 for scalar in losses)
