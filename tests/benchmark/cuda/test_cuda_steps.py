"""`posebench cuda`: each step fails alone, in one line, within its time; on a CPU all that makes sense there is run."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import reference
from typer.testing import CliRunner

from posebench.benchmark.cuda import bare
from posebench.benchmark.cuda.steps import STEPS, Site, Step, rows_in, run_steps
from posebench.cli import app
from posebench.pose.plugins import load_object


def test_a_step_that_fails_dies_or_hangs_is_one_line_and_stops_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(reference.__file__).parent))
    names = ("wrong", "dies", "hangs", "fine")
    steps = [Step(name, f"cuda_steps:{name}", 60 if name != "hangs" else 8, "") for name in names]
    steps.append(Step("graphs", "cuda_steps:fine", 60, "", gpu=True))
    heard = []
    outcomes = run_steps(steps, "cpu", tmp_path, 300, heard.append)
    assert heard == outcomes
    told = {outcome.name: (outcome.status, outcome.line) for outcome in outcomes}
    assert told == {
        "wrong": ("failed", "ValueError: first line"),
        "dies": ("failed", "died with code 7: what torch says of a broken context"),
        "hangs": ("ok", "ended after its 8 s; 1 rows were measured before"),
        "fine": ("ok", "on cpu"),
        "graphs": ("skipped", "nothing to see on a CPU"),
    }
    assert list(rows_in(tmp_path / "fine")) == [{"a": 1}, {"a": 2}]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere no process ends with its parent")
def test_a_step_ends_with_the_command_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(reference.__file__).parent))
    begin = "from pathlib import Path; from posebench.benchmark.cuda.steps import Step, run_step\n"
    begin += f"run_step(Step('hangs', 'cuda_steps:hangs', 60, ''), 'cpu', Path({str(tmp_path / 'hangs')!r}), 60)"
    command = subprocess.Popen([sys.executable, "-c", begin])
    while not list(rows_in(tmp_path / "hangs")):
        assert command.poll() is None
        time.sleep(0.05)
    (step,) = psutil.Process(command.pid).children()
    command.kill()
    command.wait()
    try:
        step.wait(timeout=10)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            step.kill()


def test_what_the_time_does_not_suffice_for_is_skipped(tmp_path):
    (outcome,) = run_steps([Step("late", "cuda_steps:fine", 60, "")], "cpu", tmp_path, 1, lambda _: None)
    assert (outcome.status, outcome.line) == ("skipped", "the 1 s were over")


def test_every_step_is_there_and_says_what_it_is_about():
    for step in STEPS:
        assert callable(load_object(step.function)) and step.about
    shown = CliRunner().invoke(app, ["cuda", "--dry-run"]).stdout
    assert [line.split()[0] for line in shown.splitlines()] == [step.name for step in STEPS]
    twice = CliRunner().invoke(app, ["cuda", "--dry-run", "--steps", "noise,kept,noise"]).stdout
    assert [line.split()[0] for line in twice.splitlines()] == ["noise", "kept"], "each has one folder"


@pytest.mark.parametrize("name", ["machine", "noise", "kept"])
def test_checks_hold_on_a_cpu(tmp_path, name):
    step = next(step for step in STEPS if step.name == name)
    assert load_object(step.function)(Site("cpu", str(tmp_path)))


def test_other_heatmaps_are_found(tmp_path, monkeypatch):
    """A device on which one reduction computes something else: its model is another once it was moved."""
    from posebench.benchmark.cuda import checks
    from posebench.pose.models.model import PoseModel

    models = {name: model for name, model in checks._lively() if name in ("none", "tome")}
    monkeypatch.setattr(checks, "_lively", lambda: iter(models.items()))
    assert "2 reductions within" in checks.heatmaps(Site("cpu", str(tmp_path)))
    move = PoseModel.to

    def moved(model, *where):
        if model is models["tome"]:
            for value in model.transformer.head.parameters():
                value.data *= 1.1
        return move(model, *where)

    monkeypatch.setattr(PoseModel, "to", moved)
    with pytest.raises(AssertionError, match=r"^tome .* of the largest value apart"):
        checks.heatmaps(Site("cpu", str(tmp_path)))


def test_a_graph_that_gives_nan_is_no_equal_one(tmp_path, monkeypatch):
    """A recorded graph by hand: eager's heatmaps, and once NaN."""
    from posebench.benchmark.cuda import checks

    (none,) = [pair for pair in checks._lively() if pair[0] == "none"]
    monkeypatch.setattr(checks, "_lively", lambda: iter([none]))
    prepare, added = checks.prepare, [float("nan"), 0.1, 0.0]

    def recorded(name, task):
        eager = prepare("eager", task)
        return SimpleNamespace(run=lambda *inputs: eager.run(*inputs) + (added.pop() if name == "cudagraph" else 0))

    monkeypatch.setattr(checks, "prepare", recorded)
    assert checks.graphs(Site("cpu", str(tmp_path))) == "1 reductions recorded, equal to eager"
    for _ in range(2):
        with pytest.raises(AssertionError, match=r"none: .* of the largest value apart"):
            checks.graphs(Site("cpu", str(tmp_path)))


@pytest.mark.slow
def test_the_trial_on_a_cpu_writes_a_folder_that_report_shows(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "posebench", "cuda", "--device", "cpu", "--out", str(out)]
    done = subprocess.run([*command, "--steps", "memory,latency,sweep,training"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    rates = json.loads((out / "training" / "training.json").read_text())["images_per_s"]
    assert rates and min(rates.values()) > 0
    page = (out / "report.html").read_text()
    assert "sweep: ok. killed with" in page
    assert subprocess.run([sys.executable, "-m", "posebench", "report", str(out)]).returncode == 0
    assert subprocess.run(command, capture_output=True).returncode == 2  # it is there already


def test_of_the_wheels_that_were_carried_along_only_what_is_missing_is_taken(tmp_path):
    for wheel in ("numpy-9.9-cp312-cp312-linux_x86_64.whl", "typing_extensions-9-py3-none-any.whl",
                  "no_such_thing-1.0-py3-none-any.whl"):  # fmt: skip
        (tmp_path / wheel).touch()
    assert [wheel.name for wheel in bare.missing(tmp_path)] == ["no_such_thing-1.0-py3-none-any.whl"]
