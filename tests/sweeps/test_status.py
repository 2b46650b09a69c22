"""What a sweep is doing, asked from outside: true while it runs, when it has ended, and when it was killed."""

import json
import operator
import os
import random
import re
import socket
import subprocess
import sys
import time
from functools import reduce

import psutil
import pytest
from finished_sweeps import write_sweep
from small_sweeps import grid

from posebench.benchmark.profiling.config import RunConfig, runs_of
from posebench.pose.errors import InputError
from posebench.pose.records import to_plain
from posebench.sweeps.executors.presence import RUN, SILENT_SECONDS, WORKER, Owner
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.status import read_status
from posebench.sweeps.store import make_manifest, write_json

WORK = """
import sys, time
from pathlib import Path
from posebench.sweeps.executors.presence import Presence
with Presence(Path(sys.argv[1]), "cuda") as presence:
    presence.report("training", 1, 4)
    print("at work", flush=True)
    sys.stdin.read()
"""


class Process:
    """A process that is at work in a folder, as long as the block lasts."""

    def __init__(self, file):
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "3"}
        command = [sys.executable, "-c", WORK, str(file)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout.readline() == "at work\n"

    def end(self):
        self.process.communicate()

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def sweep(tmp_path):
    """A sweep of two cells and a latency, of which the masked cell has no result, and nobody at work."""
    folder = write_sweep(tmp_path / "sweep", "here")
    masked = json.loads((folder / "sweep.json").read_text())["cells"][1]["key"]
    (folder / "cells" / masked / "result.json").unlink()
    (folder / "cells" / masked / WORKER).unlink()
    return folder, folder / "cells" / masked


def states(folder):
    found = read_status(folder)
    return found.state, [part.state for part in found.parts]


def test_it_runs_then_dies_and_its_cell_with_it_and_the_reason_is_told(sweep, posebench):
    folder, cell = sweep
    driver, worker = Process(folder / RUN), Process(cell / WORKER)
    assert states(folder) == ("running", ["waiting", "done", "running", "done"])
    assert read_status(folder).parts[-1].label == "latency", "of one number of threads alone"
    code, said, _ = posebench("status", folder)
    assert code == 0 and "training 25 %" in said and "cuda:3" in said and f"process {driver.process.pid}" in said
    worker.kill()
    (cell / "log.txt").write_text("Traceback\nno space left\n")
    driver.kill()
    assert states(folder) == ("died", ["waiting", "done", "lost", "done"])
    said = posebench("status", folder)[1]
    assert f"process {driver.process.pid}" in said and "gone without a word" in said
    found = json.loads(posebench("status", folder, "--json")[1])
    assert found["state"] == "died" and found["left"] == 2
    assert found["parts"][2]["why"].endswith("its log ends: no space left")


def test_a_folder_that_names_a_module_as_its_runtime_does_not_have_it_imported(sweep, posebench, tmp_path):
    folder, _ = sweep
    (tmp_path / "evil_runtime.py").write_text("open('executed', 'w').close()")
    manifest = json.loads((folder / "sweep.json").read_text())
    manifest["asked"]["runtimes"] = ["eager", "evil_runtime:RUNTIME"]
    write_json(folder / "sweep.json", manifest)
    code, said, _ = posebench("status", folder)
    assert code == 0 and "1 of 4 parts done" in said
    posebench("merge", folder, write_sweep(tmp_path / "other", "there"), "--out", "both")
    posebench("report", folder)
    assert not (tmp_path / "executed").exists()


def test_one_that_ended_has_stopped_or_finished(sweep):
    folder, cell = sweep
    driver = Process(folder / RUN)
    driver.end()
    assert states(folder)[0] == "stopped"
    write_json(cell / "result.json", {"status": "failed", "error": "out of memory"})
    assert states(folder) == ("stopped", ["waiting", "done", "failed", "done"])
    write_json(cell / "result.json", {"status": "ok"})
    assert states(folder) == ("finished", ["done"] * 3)
    assert read_status(folder).left == 0


def test_a_process_on_another_machine_is_known_by_its_last_sign(sweep):
    folder, cell = sweep
    for file in (folder / RUN, cell / WORKER):
        write_json(file, to_plain(Owner("another machine", 1, time.time())))
    assert states(folder) == ("running", ["waiting", "done", "running", "done"])
    silent = time.time() - SILENT_SECONDS - 5
    for file in (folder / RUN, cell / WORKER):
        os.utime(file, (silent, silent))
    assert states(folder) == ("died", ["waiting", "done", "lost", "done"])


def test_a_clock_that_was_set_forward_ends_no_process_and_anothers_number_is_no_sign(sweep):
    folder, _ = sweep
    yesterday = psutil.Process().create_time() - 86400
    write_json(folder / RUN, to_plain(Owner(socket.gethostname(), os.getpid(), yesterday)))
    assert states(folder)[0] == "running"
    silent = time.time() - SILENT_SECONDS - 5
    os.utime(folder / RUN, (silent, silent))
    assert states(folder)[0] == "died"


def test_it_writes_nothing(sweep):
    folder, _ = sweep
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    read_status(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"asked": None}, "damaged"),
        ({"asked": {"batch_sizes": 5}}, "SweepRequest.batch_sizes is 5: damaged"),
        ({"asked": {"ratios": [0.2, "x"]}}, "SweepRequest.ratios is 'x': damaged"),
        ({"asked": {"weights": [["tmpose_tiny"]]}}, "SweepRequest.weights holds 1 values where 2 belong"),
        ({"asked": {"latency": 1}}, "SweepRequest.latency is 1: damaged"),
    ],
)
def test_a_damaged_request_is_told(sweep, content, said):
    folder, _ = sweep
    stored = json.loads((folder / "sweep.json").read_text())
    write_json(folder / "sweep.json", stored | content)
    with pytest.raises(InputError, match=f"sweep.json: {re.escape(said)}"):
        read_status(folder)


@pytest.mark.parametrize(
    "part", [{"pid": "x"}, {"pid": -5}, {"started": 1e300}, {"total": 2, "done": "x"}, {"host": 5}, None]
)
def test_who_works_in_a_folder_is_not_known_from_a_broken_record(sweep, posebench, part):
    folder, cell = sweep
    for file in (folder / RUN, cell / WORKER):
        owner = to_plain(Owner(socket.gethostname(), os.getpid(), 1.0))
        file.write_text("[" * 100_000 if part is None else json.dumps(owner | part))
    assert states(folder) == ("stopped", ["waiting", "done", "waiting", "done"])
    assert posebench("status", folder)[0] == 0
    (folder / RUN).unlink()
    os.mkfifo(folder / RUN)
    assert states(folder)[0] == "stopped"


ODD = [None, True, -1, 1e308, float("nan"), 10**40, "x", "../../x", [], [1], {"a": 1}]


def places(content, path=()):
    """The paths of all that a plain value holds, itself apart."""
    for key in content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ():
        yield (*path, key)
        yield from places(content[key], (*path, key))


def test_whatever_stands_in_a_record_is_told_or_shown(tmp_path):
    folder, rng = write_sweep(tmp_path / "sweep", socket.gethostname()), random.Random(0)
    (folder / RUN).write_text(json.dumps(to_plain(Owner(socket.gethostname(), os.getpid(), time.time()))))
    files = {file: json.loads(file.read_text()) for file in sorted(folder.rglob("*.json"))}
    every = [(file, place, odd) for file, whole in files.items() for place in places(whole) for odd in ODD]
    told = 0
    for file, (*place, last), odd in rng.sample(every, 150):
        content = json.loads(json.dumps(files[file]))
        reduce(operator.getitem, place, content)[last] = odd
        file.write_text(json.dumps(content))
        try:
            read_status(folder)
        except InputError as error:
            told += str(file) in str(error)
        file.write_text(json.dumps(files[file]))
    assert 50 < told < 150


def test_a_folder_without_a_sweep_is_told(tmp_path, posebench):
    assert posebench("status", tmp_path)[::2] == (
        2, f"posebench: error: {tmp_path}: not a sweep's folder (it has no sweep.json)\n"
    )  # fmt: skip


def test_a_sweep_in_runtimes_that_another_machine_has_is_asked_from_here(tmp_path, monkeypatch):
    asked = SweepRequest(masks=("random",), ratios=(0.4,), runtimes=("eager", "openvino"))
    cells, bases = grid(asked)
    write_json(tmp_path / "sweep.json", make_manifest(to_plain(asked), cells, bases.values()))
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"openvino needs .*openvino: pip install"):
        runs_of(RunConfig(), asked.runtimes, asked.precisions)
    assert states(tmp_path) == ("stopped", ["waiting"] * 4)
