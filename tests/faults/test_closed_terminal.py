"""A terminal that is closed over a sweep: its signal ends the sweep like Ctrl-C, output that leads nowhere does not.

What other ends of a sweep cost is looked at in sweeps/test_sweep_end_to_end.py (SIGKILL, SIGTERM, SIGINT) and
sweeps/executors/ (workers that outlive it, jobs of a cluster).
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time

import pytest
from ended import all_ended

from posebench.pose.synth import write_synthetic

OPTIONS = "--model tmpose_tiny --mask random --ratios 0.5 --base-epochs 1 --epochs 1 --threads 1 --jobs 1 --no-latency"


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    people = tmp_path_factory.mktemp("terminal") / "people"
    write_synthetic(people, train=8, val=4, seed=3, jobs=1)
    return [sys.executable, "-m", "posebench", "sweep", "--data", str(people), *OPTIONS.split()]


def in_terminal(command, *, hears_of_its_end=True, ignores=signal.SIG_DFL):
    """The command in a terminal of its own, whose other side is the second of what is returned."""
    ours, its = os.openpty()

    def enter():
        os.setsid()
        signal.signal(signal.SIGHUP, ignores)
        if hears_of_its_end:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, preexec_fn=enter)
    os.close(its)
    return process, ours


def wait_for(pattern, out, process):
    while not list(out.glob(pattern)):
        assert process.poll() is None
        time.sleep(0.05)


def test_a_closed_terminal_ends_a_sweep_like_ctrl_c(command, tmp_path):
    out = tmp_path / "out"
    sweep, terminal = in_terminal([*command, "--out", str(out)])
    wait_for("base/*/worker.json", out, sweep)
    (worker,) = out.glob("base/*/worker.json")
    os.close(terminal)
    assert sweep.wait(60) == 130
    assert json.loads((out / "run.json").read_text())["how"] == "interrupted"
    assert (out / "results.csv").is_file(), "what is finished can be read"
    assert all_ended([json.loads(worker.read_text())["pid"]])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["nohup", "of another session", "a reader that ends"])
def test_output_that_leads_nowhere_costs_no_sweep(command, tmp_path, how):
    out = tmp_path / "out"
    command = [*command, "--out", str(out)]
    if how == "a reader that ends":
        sweep = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        sweep.stdout.readline()
        sweep.stdout.close()
    else:
        ignores = signal.SIG_IGN if how == "nohup" else signal.SIG_DFL
        sweep, terminal = in_terminal(command, hears_of_its_end=how == "nohup", ignores=ignores)
        wait_for("base/*/worker.json", out, sweep)
        os.close(terminal)
    assert sweep.wait(300) in (1, 2), "that its last words were not heard is an error still"
    assert len(list(out.glob("cells/*/result.json"))) == 2 and (out / "report.html").is_file()
    assert json.loads((out / "run.json").read_text())["how"] == ""
