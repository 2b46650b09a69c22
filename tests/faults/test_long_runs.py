"""What runs for days does not grow: its memory, open files, threads and logs after a while are those at its end."""

import os
import subprocess
import sys
import time

import psutil
import pytest
import torch

from posebench import create_model
from posebench.pose.synth import write_synthetic

#: MiB that the last quarter's median may lie above the second's; what is kept of 1000 steps or 150 cells is far less
GROWTH = 16
LOG_LINES = 3  # of a run that goes well: its last words


def looked_at(done, *arguments):
    """Run a command; (part done, resident MiB, open files, threads, children) of its own process, five times a second.

    done: tells the part from 0 to 1."""
    command = [sys.executable, "-m", "posebench", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = psutil.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    looks = []
    while run.poll() is None:
        try:
            with run.oneshot():
                own = run.memory_info().rss / 2**20, run.num_fds(), run.num_threads()
            looks.append((done(), *own, len(run.children(recursive=True))))
        except psutil.Error:  # it has just ended
            pass
        time.sleep(0.2)
    said = run.stdout.read()
    assert run.returncode == 0, said
    return looks, said.splitlines()


def columns(looks):
    return zip(*looks, strict=True)


def median(values):
    return sorted(values)[len(values) // 2]


def assert_flat(looks):
    """Of the second quarter and the last, in which a run has all its libraries; the page is drawn after them."""
    early = [look for part, *look in looks if 0.25 <= part < 0.5]
    late = [look for part, *look in looks if 0.75 <= part < 1]
    for name, before, then in zip(("MiB", "files", "threads", "children"), *map(columns, (early, late)), strict=True):
        print(f"{name}: {median(before):.0f} (at most {max(before):.0f}), then {median(then):.0f} ({max(then):.0f})")
        assert median(then) <= median(before) + (GROWTH if name == "MiB" else 1)
        assert max(then) <= max(before) + (4 * GROWTH if name == "MiB" else 2)


@pytest.mark.slow
def test_a_training_of_2000_steps_is_as_large_at_its_end_as_at_its_beginning(people, tmp_path):
    out, log = tmp_path / "run", tmp_path / "run" / "log.csv"
    looks, said = looked_at(
        lambda: (log.read_text().count("\n") - 1) / 42 if log.exists() else 0,
        "train", "--data", people, "--out", out, "--mask", "semantic", "--ratio", 0.4, "--epochs", 42,
        "--batch-size", 1, "--threads", 1, "--evaluate-every", 7, "-q",
    )  # fmt: skip
    assert torch.load(out / "last.pt", weights_only=True)["history"][-1]["step"] == 42 * 48
    assert_flat(looks)
    assert len(said) <= LOG_LINES and log.read_text().count("\n") == 1 + 42
    assert sorted(file.name for file in out.iterdir() if file.name != ".lock") == ["best.pt", "last.pt", "log.csv"]


@pytest.mark.slow
def test_a_sweep_of_300_cells_is_as_large_at_its_end_as_at_its_beginning(tmp_path):
    write_synthetic(tmp_path / "people", train=0, val=2, seed=3, jobs=1)
    torch.save(create_model("tmpose_tiny").state_dict(), tmp_path / "tiny.pt")
    cells = int(os.environ.get("POSEBENCH_CELLS", "300"))
    ratios = ",".join(f"{0.4 + 0.4 * number / cells:.5f}" for number in range(cells - 1))
    out = tmp_path / "out"
    looks, said = looked_at(
        lambda: len(list(out.glob("cells/*/result.json"))) / cells,
        "sweep", "--data", tmp_path / "people", "--weights", tmp_path / "tiny.pt", "--mask", "random",
        "--ratios", ratios, "--no-latency", "--no-flip-test", "--threads", 1, "--jobs", 1, "--out", out, "-q",
    )  # fmt: skip
    done = list(out.glob("cells/*/result.json"))
    assert len(done) == cells
    assert_flat(looks)
    logs = [file for file in out.rglob("*.log") if file.is_file()]
    assert max((file.stat().st_size for file in logs), default=0) < 10_000
    print(len(said), "lines,", len(list(done[0].parent.iterdir())), "files of a cell")
