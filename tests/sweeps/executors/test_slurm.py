"""A sweep as jobs of submitit, here and on a real SLURM of one node, comes to what it comes to on one machine."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from six_cells import OPTIONS, results_of, six_cells

from posebench.pose.errors import InputError
from posebench.sweeps.executors import Resources, Task, find_executor
from posebench.sweeps.executors.elsewhere import whole, yes
from posebench.sweeps.executors.presence import WORKER, read_owner
from posebench.sweeps.executors.slurm import _minutes
from posebench.sweeps.runner import execute

CLUSTER = Path(__file__).parent / "slurm_cluster.sh"
slow = [pytest.mark.slow, pytest.mark.optional]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("30:30", 30), ("4:00:00", 240), ("1-12", 2160), ("2-00:30", 2910), ("1-00:00:30", 1440), ("0:20", 1)],
)
def test_a_walltime_is_read_as_sbatch_reads_it(text, minutes):
    assert _minutes(text) == minutes


@pytest.mark.parametrize("text", ["4h", "", "1:2:3:4", 5000 * "9"])
def test_a_walltime_that_is_none_is_told(text):
    with pytest.raises(InputError, match=f"time={text[:40]}: give minutes"):
        _minutes(text)


@pytest.mark.parametrize("text", ["x", "-1", "0", "1.5", "", 5000 * "9"])
def test_an_option_that_is_no_number_is_told(text):
    assert whole({"cpus": "16"}, "cpus", None, 1) == 16 and whole({}, "cpus", 3, 1) == 3
    with pytest.raises(InputError, match=f"cpus={text[:40]}: give a whole number from 1 on"):
        whole({"cpus": text}, "cpus", None, 1)


@pytest.mark.parametrize(("text", "wanted"), [("Yes", True), ("1", True), ("no", False), ("false", False)])
def test_an_option_is_yes_or_no(text, wanted):
    assert yes({"wait": text}, "wait", not wanted) is wanted and yes({}, "wait", wanted) is wanted
    with pytest.raises(InputError, match="wait=perhaps: give yes or no"):
        yes({"wait": "perhaps"}, "wait", wanted)


def test_jobs_of_a_killed_sweep_that_do_not_end_are_told_and_nothing_is_begun_beside_them(tmp_path, monkeypatch):
    for name, answer in (("squeue", "echo '12_0|RUNNING'"), ("scancel", f"echo $@ >> {tmp_path}/cancelled")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("posebench.sweeps.executors.slurm.APPEAR_SECONDS", 0)
    (tmp_path / "slurm").mkdir()
    record = tmp_path / "slurm" / "jobs.json"
    record.write_text('["12_0", "12_1"]')
    task = Task("cell", "posebench.sweeps.cell", tmp_path / "cells" / "key")
    with pytest.raises(InputError, match=r"have ended \(12_0, 12_1\), and two must not work in one folder"):
        find_executor("slurm").run([task], Resources(tmp_path), print, print)
    assert (tmp_path / "cancelled").read_text() == "12\n" and record.exists()
    (tmp_path / "scancel").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"submitit|srun"):
        find_executor("slurm").run([task], Resources(tmp_path), print, print)


@pytest.fixture
def local():
    pytest.importorskip("submitit", reason="pip install 'posebench[slurm]'")
    return ["cluster=local"]


@pytest.fixture
def slurm(monkeypatch, tmp_path):
    """SLURM of one node, this machine, of its own and for one test."""
    pytest.importorskip("submitit", reason="pip install 'posebench[slurm]'")
    missing = [name for name in ("munged", "slurmctld", "slurmd") if not shutil.which(name, path=_PATH)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("slurmd wants to be root")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "slurm"
    subprocess.run([CLUSTER, "start", folder, str(port)], check=True)
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    yield ["partition=test"]
    subprocess.run([CLUSTER, "stop", folder], check=True)


_PATH = f"{os.environ['PATH']}:/usr/sbin"


@pytest.fixture
def engine(request):
    return request.getfixturevalue(request.param)


def on_slurm(options, data, out, **more):
    return six_cells(data, out=out, executor="slurm", executor_options=options, **more)


@pytest.mark.parametrize(
    "engine", [pytest.param("local", marks=slow), pytest.param("slurm", marks=slow)], indirect=True
)
def test_the_pending_cells_as_one_array_give_the_table_of_one_machine(engine, here, people, tmp_path):
    outcome = execute(on_slurm(engine, people, tmp_path / "sweep"))
    assert outcome.failed == {} and results_of(tmp_path / "sweep") == here
    arrays = {job.name.split("_")[0] for job in (tmp_path / "sweep" / "slurm").glob("*_submitted.pkl")}
    assert engine == ["cluster=local"] or len(arrays) == 2, "the base model's job, and the array of the cells"


@pytest.mark.slow
@pytest.mark.optional
def test_a_job_that_dies_stops_no_other_and_submitting_again_is_the_retry(local, here, people, tmp_path):
    """submitit's own collection of results ends at the first job that failed."""
    cells, killed = set(), []

    def listen(event):
        if event.kind == "plan":
            cells.update(cell.key for cell in event.info["plan"].cells)
        if event.kind == "start" and event.name in cells and not killed:
            killed.append(event.name)
            os.kill(read_owner(tmp_path / "sweep" / "cells" / event.name / WORKER).pid, signal.SIGKILL)

    outcome = execute(on_slurm(local, people, tmp_path / "sweep"), listen)
    assert outcome.failed == {killed[0]: "its process was killed (out of memory?)"}
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("sweep/cells/*/result.json")}
    execute(on_slurm(local, people, tmp_path / "sweep"))
    assert results_of(tmp_path / "sweep") == here
    after = {file: file.stat().st_mtime_ns for file in before}
    assert [file.parent.name for file in before if before[file] != after[file]] == killed


@pytest.mark.slow
@pytest.mark.optional
def test_a_sweep_that_was_killed_is_gone_on_with_and_its_jobs_are_not_run_twice(slurm, here, people, tmp_path):
    out = tmp_path / "sweep"
    values = OPTIONS | {"data": str(people), "out": str(out), "executor": "slurm", "executor_options": slurm}
    code = f"from posebench.sweeps.runner import run_sweep; run_sweep(**{values!r})"
    sweep = subprocess.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 120
    while not list(out.glob("cells/*/worker.json")) and time.monotonic() < end:
        time.sleep(0.2)
    sweep.kill()
    sweep.wait()
    assert _queue(), "the jobs go on without the sweep"
    outcome = execute(on_slurm(slurm, people, out))
    assert outcome.failed == {} and results_of(out) == here
    assert not _queue()


@pytest.mark.slow
@pytest.mark.optional
def test_at_its_walltime_a_cell_goes_on_from_its_checkpoint_in_another_job(slurm, people, tmp_path):
    """SLURM's signal for it is sent by hand as soon as there is a checkpoint."""
    request = on_slurm(slurm, people, tmp_path / "sweep", seeds="0", masks="none", epochs=40)
    cell, done, sent = [], [], []

    def listen(event):
        if event.kind == "plan":
            cell.append(event.info["plan"].cells[0].key)
        if event.name not in cell:
            return
        if event.kind == "start":
            done.append([])
        if event.kind == "progress" and event.stage == "training" and done:
            done[-1].append(event.done)
            (folder,) = (tmp_path / "sweep" / "cells").iterdir()
            if (folder / "last.pt").exists() and not sent:
                (job,) = _queue()
                sent.append(job)
                subprocess.run(["scancel", job, "--signal", "USR2"], check=True)
                threading.Thread(target=_begin_now, args=(job,)).start()

    outcome = execute(request, listen)
    assert sent and outcome.failed == {}
    first, again = done
    assert again[0] > 0 and max(first) < 40, "it had not ended, and it did not begin anew"


def _begin_now(job):
    """A job that was put in the queue again would wait for two minutes."""
    for _ in range(60):
        time.sleep(1)
        subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], capture_output=True)


def _queue():
    done = subprocess.run(["squeue", "--noheader", "--format=%i"], capture_output=True, text=True, check=True)
    return done.stdout.split()
