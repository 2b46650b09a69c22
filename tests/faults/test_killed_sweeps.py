"""A sweep that is ended anywhere loses nothing, and the same command ends it with the same table.

What else may happen to a sweep is tested where it is dealt with: a loss that becomes NaN (pose/training/test_train.py),
too little memory (sweeps/test_short_of_memory.py), workers that die (sweeps/executors), a full disk (test_full_disk),
a data set or a pack that is killed while it is written (pose/synth/test_synth_writing.py, pose/people/test_pack.py).
"""

import os
import subprocess
import sys

import pytest
from killing import FAULTS, OPTIONS, STAGES, begin, campaign, finish, finished, interrupt, settle, table

ROUNDS = int(os.environ.get("POSEBENCH_ROUNDS", "42"))


@pytest.mark.slow
def test_no_end_at_any_moment_costs_a_result(people, tmp_path):
    rounds = list(campaign(people, tmp_path, ROUNDS))
    print(table(rounds))
    assert [wrong for one in rounds for wrong in one.wrong] == []


@pytest.fixture(scope="module")
def whole(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaign") / "whole"
    finish(people, folder)
    return folder


def test_a_sweep_whose_processes_are_all_killed_in_its_cells_goes_on(people, whole, tmp_path):
    fault = next(fault for fault in FAULTS if fault.name == "SIGKILL, tree")
    one = interrupt(people, tmp_path / "out", fault, "a cell is done", STAGES["a cell is done"])
    assert settle(people, tmp_path / "out", whole, one).wrong == []


def test_of_two_sweeps_in_one_folder_the_second_is_refused_and_the_first_goes_on(people, whole, tmp_path):
    out = tmp_path / "out"
    first = begin(people, out)
    while not STAGES["cells"](out):
        assert first.poll() is None
    second = begin(people, out)
    _, said = second.communicate()
    assert (second.returncode, first.poll()) == (2, None)
    assert f"{out}: another sweep is running in this folder" in said.decode()
    first.communicate()
    assert first.returncode == 0 and finished(out).keys() == finished(whole).keys()


@pytest.mark.slow
@pytest.mark.parametrize("days", [-2, 2])
def test_a_clock_that_jumps_between_two_runs_changes_nothing(days, people, whole, tmp_path):
    """The second run believes that it is another day; the first was killed within a cell."""
    out = tmp_path / "out"
    one = interrupt(people, out, FAULTS[2], "cells", STAGES["cells"])
    before = finished(out)
    jumped = (
        "import time, sys, runpy; real = time.time; "
        f"time.time = lambda: real() + {days} * 86400; sys.argv[0] = 'posebench'; runpy.run_module('posebench')"
    )
    command = [sys.executable, "-c", jumped, "sweep", "--data", people, "--out", out, *OPTIONS]
    subprocess.run([str(part) for part in command], check=True)
    assert before.items() <= finished(out).items()
    assert settle(people, out, whole, one).wrong == []
