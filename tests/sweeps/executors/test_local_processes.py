"""Worker processes report, end with the sweep however it ends, and leave nothing running."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ended import all_ended

from posebench.sweeps.executors import Resources, Task
from posebench.sweeps.executors.local import run
from posebench.sweeps.executors.processes import last_line

WORKER = """
import os, sys, time
from pathlib import Path
from posebench.sweeps.child import Reporter, follow_parent
follow_parent()
folder, action = Path(sys.argv[1]).parent, os.environ["ACTION"]
(folder / f"pid_{os.getpid()}").touch()
reporter = Reporter()
print("noise on standard output")
reporter.send(stage="start")
if action == "sleep":
    time.sleep(60)
if action == "fail":
    raise ValueError("as ordered")
if action == "meet":
    begun = folder / f"begun_{os.getpid()}"
    begun.touch()
    for _ in range(int(os.environ["LOOKS"])):
        if (folder / "met").exists() or len(list(folder.glob("begun_*"))) > 1:
            (folder / "met").touch()
            sys.exit(0)
        time.sleep(0.05)
    begun.unlink()
    sys.exit(7)
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A module that can be run with `python -m`, and a function that makes tasks of it."""
    (tmp_path / "sweep_test_worker.py").write_text(WORKER)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def task(name, action, looks=0):
        environment = {"ACTION": action, "LOOKS": str(looks)}
        return Task(name, "sweep_test_worker", tmp_path / name, environment=environment)

    return task


def pids(folder):
    return [int(path.name.removeprefix("pid_")) for path in folder.glob("pid_*")]


def test_messages_arrive_and_other_output_goes_to_the_log(worker, tmp_path):
    messages, exits = [], []
    run(
        [worker("a", "none"), worker("b", "fail")],
        Resources(tmp_path, jobs=2),
        lambda name, message: messages.append((name, message)),
        lambda name, code: exits.append((name, code)),
    )
    for name in "ab":
        placed, began = [message for of, message in messages if of == name]
        assert placed == {"stage": "start", "where": "cpu"} and began == {"stage": "start"}
    assert sorted(exits) == [("a", 0), ("b", 1)]
    assert "noise" in (tmp_path / "a" / "log.txt").read_text()
    assert last_line(tmp_path / "b" / "log.txt") == "ValueError: as ordered"


MET, ALONE = 0, 7


@pytest.mark.parametrize(("jobs", "looks", "expected"), [(1, 12, ALONE), (2, 1200, MET)])
def test_as_many_as_jobs_run_at_once_and_no_more(worker, tmp_path, jobs, looks, expected):
    """Two workers wait for each other: one at a time they never meet, two at a time they do."""
    exits = []
    tasks = [worker(name, "meet", looks) for name in "ab"]
    run(tasks, Resources(tmp_path, jobs=jobs), lambda *_: None, lambda name, code: exits.append((name, code)))
    assert sorted(exits) == [("a", expected), ("b", expected)]


def test_an_exception_ends_all_processes(worker, tmp_path):
    def stop(name, message):
        if len(pids(tmp_path)) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([worker("a", "sleep"), worker("b", "sleep")], Resources(tmp_path, jobs=2), stop, lambda *_: None)
    assert all_ended(pids(tmp_path))


RUNNER = """
import sys
from pathlib import Path
from posebench.sweeps.executors import Resources, Task
from posebench.sweeps.executors.local import run
folder = Path(sys.argv[1])
tasks = [Task(n, "sweep_test_worker", folder / n, environment={"ACTION": "sleep"}) for n in "ab"]
up = lambda name, message: "where" in message or print("up", flush=True)
run(tasks, Resources(folder, jobs=2), up, lambda *_: None)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_do_not_outlive_a_sweep_however_it_is_ended(worker, tmp_path, how):
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert [runner.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
        found = pids(tmp_path)
        assert len(found) == 2
        runner.send_signal(how)
        runner.wait(20)
        assert all_ended(found)
    finally:
        runner.kill()
        runner.wait()
        for pid in pids(tmp_path):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_log_that_is_not_there_or_is_a_pipe_has_no_last_line(tmp_path):
    assert last_line(Path(tmp_path, "nothing")) == ""
    os.mkfifo(tmp_path / "pipe")
    assert last_line(tmp_path / "pipe") == ""


def test_of_a_long_log_the_end_alone_is_read(tmp_path, monkeypatch):
    (tmp_path / "log").write_text("a step\n" * 1000 + "é" * 3 + " the last\n\n")
    monkeypatch.setattr("posebench.sweeps.executors.processes.TAIL", 13)
    assert last_line(tmp_path / "log").endswith("é the last") and "step" not in last_line(tmp_path / "log")
