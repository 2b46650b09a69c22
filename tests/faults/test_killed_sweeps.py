"""A sweep that is ended anywhere loses nothing, and the same command ends it with the same table.

What else may happen to a sweep is tested where it is dealt with: a loss that becomes NaN (pose/training/test_train.py),
too little memory (sweeps/test_short_of_memory.py), workers that die (sweeps/executors), a full disk (test_full_disk),
a data set or a pack that is killed while it is written (pose/synth/test_synth_writing.py, pose/people/test_pack.py).
"""

import json
import os
import signal
import subprocess
import sys

import pytest
from killing import (
    FAULTS,
    OPTIONS,
    RENDERED,
    SMALLEST,
    STAGES,
    begin,
    campaign,
    finish,
    finished,
    interrupt,
    settle,
    table,
)

from posebench.pose.synth import write_synthetic

ROUNDS = int(os.environ.get("POSEBENCH_ROUNDS", "42"))


@pytest.mark.slow
def test_no_end_at_any_moment_costs_a_result(people, tmp_path):
    rounds = list(campaign(people, tmp_path, ROUNDS))
    print(table(rounds))
    assert [wrong for one in rounds for wrong in one.wrong] == []


def test_a_second_sweep_in_its_folder_and_the_death_of_all_its_processes_cost_a_sweep_nothing(people, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    finish(people, whole, SMALLEST)
    said = []

    def a_cell_is_done(_):
        if STAGES["base"](out) and not said:
            first = json.loads((out / "run.json").read_text())["pid"]
            os.kill(first, signal.SIGSTOP)  # lest it be done before the second has begun
            second = begin(people, out, SMALLEST)
            said.extend([first, second.communicate()[1].decode(), second.returncode])
            os.kill(first, signal.SIGCONT)
        return STAGES["a cell is done"](out)

    fault = next(fault for fault in FAULTS if fault.name == "SIGKILL, tree")
    one = interrupt(people, out, fault, "a cell is done", a_cell_is_done, SMALLEST)
    assert len(finished(out)) == 2, "the base model and the first of two cells"
    first, line, code = said
    refusal = f"posebench: error: {out}: another sweep is running in this folder, process {first} on "
    assert line.startswith(refusal) and line.count("\n") == 1 and code == 2
    assert settle(people, out, whole, one, SMALLEST).wrong == []


@pytest.mark.slow
def test_the_embedded_set_is_whole_or_not_there_however_its_rendering_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    for fault in FAULTS:
        known = set(tmp_path.glob("cache/.*/images/*/*"))

        def renders(_, known=known):
            return bool(set(tmp_path.glob("cache/.*/images/*/*")) - known)

        one = interrupt(None, tmp_path / "out", fault, "rendering", renders)
        assert one.wrong == [] and not (tmp_path / "out").exists()
        assert not list(tmp_path.glob("cache/[!.]*")), "a part of it under its final name"
    finish(None, tmp_path / "out")
    (rendered,) = tmp_path.glob("cache/[!.]*")
    train, val = RENDERED
    write_synthetic(tmp_path / "wanted", train=train, val=val, seed=0, jobs=1)
    files = {file.relative_to(rendered) for file in rendered.rglob("*")}
    assert files == {file.relative_to(tmp_path / "wanted") for file in (tmp_path / "wanted").rglob("*")}
    for file in files:
        if (rendered / file).is_file():
            assert (rendered / file).read_bytes() == (tmp_path / "wanted" / file).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("days", [-2, 2])
def test_a_clock_that_jumps_between_two_runs_changes_nothing(days, people, tmp_path):
    """The second run believes that it is another day; the first was killed within a cell."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    finish(people, whole)
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
