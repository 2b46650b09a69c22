"""Worker processes report, end with the sweep however it ends, and leave nothing running."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from posebench.sweeps.processes import Task, last_line, run_tasks

WORKER = """
import sys, time
from pathlib import Path
from posebench.sweeps.child import Reporter, follow_parent
follow_parent()
import os
folder, action = Path(sys.argv[1]), sys.argv[2]
(folder / f"pid_{os.getpid()}").touch()
reporter = Reporter()
print("noise on standard output")
reporter.send(stage="start")
if action == "sleep":
    time.sleep(60)
if action == "fail":
    raise ValueError("as ordered")
if action == "count":
    (folder / f"begin_{time.monotonic()}").touch()
    time.sleep(0.3)
    (folder / f"end_{time.monotonic()}").touch()
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A module that can be run with `python -m`, and a function that makes tasks of it."""
    (tmp_path / "sweep_test_worker.py").write_text(WORKER)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def task(name, action):
        return Task(name, "sweep_test_worker", (str(tmp_path), action), tmp_path / f"{name}.log", threads=1)

    return task


def pids(folder):
    return [int(path.name.removeprefix("pid_")) for path in folder.glob("pid_*")]


def gone(found, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        alive = [pid for pid in found if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        if not alive:
            return True
        time.sleep(0.05)
    return False


def test_messages_arrive_and_other_output_goes_to_the_log(worker, tmp_path):
    messages, exits = [], []
    run_tasks(
        [worker("a", "none"), worker("b", "fail")],
        2,
        lambda name, message: messages.append((name, message)),
        lambda name, code: exits.append((name, code)),
    )
    assert sorted(messages, key=str) == [("a", {"stage": "start"}), ("b", {"stage": "start"})]
    assert sorted(exits) == [("a", 0), ("b", 1)]
    assert "noise" in (tmp_path / "a.log").read_text()
    assert last_line(tmp_path / "b.log") == "ValueError: as ordered"


@pytest.mark.parametrize(("jobs", "overlap"), [(1, False), (2, True)])
def test_no_more_than_jobs_run_at_once(worker, tmp_path, jobs, overlap):
    run_tasks([worker(str(n), "count") for n in range(2)], jobs, lambda *_: None, lambda *_: None)
    begins = sorted(float(path.name.removeprefix("begin_")) for path in tmp_path.glob("begin_*"))
    ends = sorted(float(path.name.removeprefix("end_")) for path in tmp_path.glob("end_*"))
    assert len(begins) == len(ends) == 2
    if not overlap:
        assert begins[1] >= ends[0]


def test_an_exception_ends_all_processes(worker, tmp_path):
    def stop(name, message):
        if len(pids(tmp_path)) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks([worker("a", "sleep"), worker("b", "sleep")], 2, stop, lambda *_: None)
    assert gone(pids(tmp_path))


RUNNER = """
import sys
from pathlib import Path
from posebench.sweeps.processes import Task, run_tasks
folder = sys.argv[1]
tasks = [Task(n, "sweep_test_worker", (folder, "sleep"), Path(folder, n), 1) for n in "ab"]
run_tasks(tasks, 2, lambda *_: print("up", flush=True), lambda *_: None)
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
        assert gone(found)
    finally:
        runner.kill()
        runner.wait()
        for pid in pids(tmp_path):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_log_that_is_not_there_has_no_last_line(tmp_path):
    assert last_line(Path(tmp_path, "nothing")) == ""
