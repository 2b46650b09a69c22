"""A device is leased to one process at a time, whatever becomes of that; what measures time has the machine alone."""

import os
import signal
import time

import psutil
import pytest

from posebench.pose.errors import InputError
from posebench.sweeps.executors import Resources, Task
from posebench.sweeps.executors.leases import Leases, visible
from posebench.sweeps.executors.local import run

DEVICES = (0, 1, 2, 3, 4, 5, 6, 7)
#: takes a file of its device and one of the machine for itself while it works, and tells when somebody else is there
WORKER = """
import contextlib, fcntl, json, os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
room, alone = folder.parent, os.environ.get("ALONE") == "yes"
locks = {"machine": fcntl.LOCK_EX if alone else fcntl.LOCK_SH}
if "CUDA_VISIBLE_DEVICES" in os.environ and not alone:
    locks |= {"device_" + os.environ["CUDA_VISIBLE_DEVICES"]: fcntl.LOCK_EX}
held = []
for name, kind in locks.items():
    held.append(open(room / name, "w"))
    try:
        fcntl.flock(held[-1], kind | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{name} is taken")
(folder / "device").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
if os.environ.get("FALLS") == "yes":
    os.kill(os.getpid(), 9)
print(json.dumps({"pid": os.getpid()}), flush=True)
time.sleep(0.1)
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A function that makes tasks of a small worker on a CUDA device; forked where they have a preload and none."""
    (tmp_path / "lease_test_worker.py").write_text(WORKER)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def task(name, cuda=True, alone=False, preload=(), **environment):
        known = {"ALONE": "yes" if alone else "no"} | environment
        return Task(name, "lease_test_worker", tmp_path / name, 1, cuda, alone, known, preload)

    return task


def do(tasks, resources):
    """(exit code by task, number of processes at once when each began, where each ran)"""
    codes, at_once, where, running = {}, {}, {}, set()

    def on_message(name, message):
        if "where" in message:
            running.add(name)
            at_once[name], where[name] = len(running), message["where"]

    def on_exit(name, code):
        running.discard(name)
        codes[name] = code

    run(tasks, resources, on_message, on_exit)
    return codes, at_once, where


def test_of_twenty_cells_on_eight_devices_no_two_share_one_and_those_that_measure_are_alone(worker, tmp_path):
    tasks = [worker(f"cell_{number}", alone=number in (9, 14)) for number in range(20)]
    codes, at_once, where = do(tasks, Resources(tmp_path, devices=DEVICES))
    logs = {task.name: task.log.read_text() for task in tasks if codes[task.name]}
    assert codes == dict.fromkeys((task.name for task in tasks), 0), logs
    assert max(at_once.values()) == 8 and at_once["cell_9"] == at_once["cell_14"] == 1
    seen = {task.name: (task.folder / "device").read_text() for task in tasks}
    assert {f"cuda:{device}" for device in seen.values()} == set(where.values()) == {f"cuda:{n}" for n in DEVICES}
    assert all(where[name] == f"cuda:{device}" for name, device in seen.items())


def test_a_killed_worker_gives_its_device_back(worker, tmp_path):
    tasks = [worker(f"cell_{number}", FALLS="yes" if number < 3 else "no") for number in range(6)]
    codes, _, where = do(tasks, Resources(tmp_path, devices=(5,)))
    assert list(codes.values()) == [-signal.SIGKILL] * 3 + [0] * 3
    assert set(where.values()) == {"cuda:5"}


@pytest.mark.parametrize("killed", ["task", "its parent"])
def test_a_killed_task_of_a_forking_worker_costs_no_other(worker, tmp_path, killed):
    """The process that forks dies with the task, or goes on to the next one; either way the others are done."""
    codes, pids = {}, []

    def on_message(name, message):
        if "pid" in message:
            pids.append(message["pid"])
            if len(pids) == 2:
                os.kill(pids[1] if killed == "task" else psutil.Process(pids[1]).ppid(), signal.SIGKILL)

    tasks = [worker(name, cuda=False, preload=("json",)) for name in "abcd"]
    run(tasks, Resources(tmp_path, jobs=1), on_message, codes.__setitem__)
    assert codes == {"a": 0, "b": -signal.SIGKILL, "c": 0, "d": 0}
    assert len(set(pids)) == 4, "each task has a process of its own"
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pids[1]}"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_cores_are_leased_as_many_as_a_task_computes_with(worker):
    leases = Leases((), cores=4)
    wide, narrow = Task("wide", "", None, threads=3), Task("narrow", "", None, threads=1)
    first = leases.take(wide)
    assert leases.take(wide) is None
    assert leases.take(narrow) is not None and leases.take(narrow) is None
    leases.give_back(first)
    assert leases.take(wide) is not None
    assert Leases((), cores=2).take(wide) is not None, "a task with more threads than there are cores has them all"


def test_a_device_is_shown_by_the_name_that_is_visible_here(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-5a")
    assert [visible(0), visible(1)] == ["4", "GPU-5a"]
    with pytest.raises(InputError, match=r"--devices 2.*0-1"):
        visible(2)
