"""A sweep that is ended anywhere loses nothing, and the same command ends it with the same table.

The rounds of the campaign: POSEBENCH_ROUNDS=100 pytest -m slow -s -k at_any_moment. What else may happen to a sweep is
tested where it is dealt with:

a closed terminal, output nobody reads      faults/test_closed_terminal.py
data edited while it runs, between two runs faults/test_edited_data.py, sweeps/test_sweep_store.py
cells that become NaN, die, lose a loader   faults/test_cells_that_fail.py, pose/training/test_train.py (NaN)
too little memory                           faults/test_cells_that_fail.py, sweeps/test_short_of_memory.py
a full disk                                 faults/test_full_disk.py
a clock set forward, seen from outside      sweeps/test_status.py
a killed data set, a killed pack            pose/synth/test_synth_writing.py, pose/people/test_pack.py
workers and jobs that die, SLURM, Ray       sweeps/executors
"""

import csv
import json
import os
import signal

import pytest
from killing import (
    FAULTS,
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


@pytest.mark.onnx
def test_a_sweep_that_is_ended_while_it_exports_goes_on(people, tmp_path):
    options = [*SMALLEST, "--runtime", "onnxruntime"]
    finish(people, tmp_path / "whole", options)
    for fault in FAULTS[2:4]:
        out = tmp_path / fault.name
        one = interrupt(people, out, fault, "runtimes", STAGES["runtimes"], options)
        assert len(finished(out)) == 1 and list(out.glob("cells/*/last.pt")), "the export of the first cell"
        assert settle(people, out, tmp_path / "whole", one, options).wrong == []


CLOCK = """
import itertools, os, time
real, days = time.time, itertools.cycle(map(int, os.environ["DAYS"].split()))
time.time = lambda: real() + next(days) * 86400
"""


@pytest.mark.slow
@pytest.mark.parametrize("days", ["-1", "1", "0 1 -1"])
def test_a_clock_that_jumps_changes_nothing(days, people, tmp_path, monkeypatch):
    """The first run was killed within a cell; to all processes of the second it is another day, or at each look."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    finish(people, whole)
    fault = next(fault for fault in FAULTS if fault.name == "SIGKILL, tree")
    one = interrupt(people, out, fault, "cells", STAGES["cells"])
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("DAYS", days)
    assert settle(people, out, whole, one).wrong == []
    with open(out / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    lengths = [float(row[name]) for row in rows for name in ("train_seconds", "eval_seconds", "latency_ms_median")]
    assert len(lengths) == 3 * len(rows) and len(rows) >= 3 and min(lengths) > 0 and max(lengths) < 3600
