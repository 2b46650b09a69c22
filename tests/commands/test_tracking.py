"""Scalars go to the tracker that was asked for, and nowhere without one."""

import json
from types import SimpleNamespace

import pytest
from small_sweeps import grid

from posebench.commands.tracking import SweepTracker
from posebench.pose.synth import write_synthetic
from posebench.reports.trackers.catalogue import Trackers
from posebench.sweeps.events import Event

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


def test_a_sweep_tracks_each_training_with_its_steps_and_each_row_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_tracker.py").write_text(OWN)
    cells, bases = grid()
    (base,), one, other = bases, *(cell.key for cell in cells[:2])
    shown = []
    tracker = SweepTracker(shown.append, Trackers(["my_tracker:open_run"]))
    events = [
        Event("plan", info={"plan": SimpleNamespace(cells=cells, bases=bases), "root": tmp_path, "finished": ()}),
        Event("progress", "data", "rendering", 1, 2),
        Event("start", base),
        Event("progress", base, "training", 2, 4, {"loss": 0.5, "epoch": 1}),
        Event("done", base),
        Event("skipped", one, info={"ap": 0.25}),
        Event("start", other),
        Event("progress", other, "memory", 1, 1),
        Event("progress", other, "training", 4, 4, {"loss": 0.25}),
        Event("progress", other, "evaluation", 8, 24, {"loss": 0.125}),  # of people, not of steps
        Event("done", other, info={"ap": 0.75, "mask": "random", "flip_test": True}),
    ]
    for event in events:
        tracker(event)
    assert shown == events
    told = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert [(line.get("name"), line.get("values"), line.get("step")) for line in told] == [
        (bases[base].label, None, None), (None, {"loss": 0.5, "epoch": 1}, 2), (None, None, None),
        (cells[1].label, None, None), (None, {"loss": 0.25}, 4), (None, {"ap": 0.75}, None), (None, None, None),
    ]  # fmt: skip
    tracker(Event("start", one))
    tracker.close()
    last = (tmp_path / "lines.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["kind"] == "finish", "of an interrupted one"


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
