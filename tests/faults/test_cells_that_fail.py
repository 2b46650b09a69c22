"""Cells that fail, each in a way of its own, in one sweep: each is a row with its reason, and the others are done."""

import csv
import os
import subprocess
import sys

import pytest
from killing import finished

#: where FAULTS is set each harms its own process in training
MASKS = '''
import os, resource, signal
import psutil, torch
from posebench.pose.reductions.tokens import keep

def some(tokens, left):
    return keep(tokens, torch.arange(left).expand(len(tokens), -1))

def in_a_cell():
    return "FAULTS" in os.environ and torch.is_grad_enabled()

def nan(tokens, context, left):
    """Keeps what is no number."""
    return some(tokens * (float("nan") if in_a_cell() else 1), left)

def exits(tokens, context, left):
    """Ends its process without a word."""
    os._exit(3) if in_a_cell() else None
    return some(tokens, left)

def killed(tokens, context, left):
    """Is killed, as by the system for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL) if in_a_cell() else None
    return some(tokens, left)

def crashes(tokens, context, left):
    """Reads where nothing is."""
    if in_a_cell():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.SIGSEGV)
    return some(tokens, left)

def loader(tokens, context, left):
    """Kills the processes that load its images."""
    for child in psutil.Process().children() if in_a_cell() else ():
        child.kill()
    return some(tokens, left)

def hungry(tokens, context, left):
    """Asks for more than its process is given."""
    if in_a_cell():
        held = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (held + 2**30, -1))
        torch.empty(2**31, dtype=torch.uint8)
    return some(tokens, left)
'''
OPTIONS = "--ratios 0.5 --base-epochs 1 --epochs 2 --threads 1 --jobs 2 --workers 1 --no-latency --quiet"


WHY = {
    "nan": "training stopped: the loss became nan in epoch 1, step 1, ",
    "exits": "its process ended with code 3",
    "killed": "its process was killed (out of memory?)",
    "crashes": "its process was ended by signal 11",
    "loader": "RuntimeError: DataLoader worker (pid ",
    "hungry": "RuntimeError: [enforce fail at alloc_cpu.cpp",
}


@pytest.mark.slow
def test_each_failed_cell_tells_why_costs_no_other_and_is_tried_again(people, tmp_path):
    (tmp_path / "failing.py").write_text(MASKS)
    masks = ",".join(["random", *(f"failing:{name}" for name in WHY)])
    command = [sys.executable, "-m", "posebench", "sweep", "--data", people, "--out", "out", "--mask", masks]
    command = [*map(str, command), *OPTIONS.split()]
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    def sweep(**more):
        environment = os.environ | {"PYTHONPATH": paths} | more
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        with open(tmp_path / "out" / "results.csv", newline="") as file:
            errors = {row["mask"].removeprefix("failing:"): row["error"] for row in csv.DictReader(file)}
        return done, errors

    done, errors = sweep(FAULTS="1")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert {name for name, error in errors.items() if not error} == {"none", "random"}
    for name, why in WHY.items():
        assert errors[name].startswith(why) and f"failing:{name} 0.5 seed 0: {why}" in done.stdout
    before = finished(tmp_path / "out")
    done, errors = sweep()
    assert done.returncode == 0 and not any(errors.values())
    assert before.items() <= finished(tmp_path / "out").items(), "finished work must not be done again"
