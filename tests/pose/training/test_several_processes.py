"""One training on several processes, started by torchrun or by --devices, against the same training on one."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch

from posebench.pose.errors import InputError
from posebench.pose.lock import file_lock
from posebench.pose.ranks import Ranks
from posebench.pose.training.run_folder import locked

ARGUMENTS = (
    "train --model tmpose_tiny --mask random --ratio 0.4 --batch-size 7 --seed 4 --evaluate-every 1 --threads 1 -q"
).split()
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several") / "people"
    command = "data synth --train 71 --val 40 --seed 8 --quiet --out".split()
    subprocess.run([sys.executable, "-m", "posebench", *command, folder], check=True, env=ENVIRONMENT)
    return folder


def start(*command, **options):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", *map(str, command)], env=ENVIRONMENT, **streams, **options)


def finish(process):
    out, error = process.communicate(timeout=100)
    return process.returncode, out.decode(), error.decode()


def log_of(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def processes_of(process, rank):
    """The started processes' own that have this rank."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    for child in children:
        with open(f"/proc/{child}/environ") as file:
            if f"RANK={rank}" in file.read().split("\0"):
                yield int(child)


def test_torchrun_on_two_processes_trains_and_scores_as_one_does(people, tmp_path):
    """22 steps; the last batch of an epoch has one person, and one of the processes nothing to do."""
    arguments = [*ARGUMENTS, "--epochs", 2, "--data", people, "--out"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = ["torch.distributed.run", "--nproc-per-node", 2, "--master-port", port]
    code, _, error = finish(start(*torchrun, "-m", "posebench", *arguments, tmp_path / "two"))
    assert code == 0, error
    code, _, error = finish(start("posebench", *arguments, tmp_path / "one"))
    assert code == 0, error
    one, two = log_of(tmp_path / "one"), log_of(tmp_path / "two")
    for alone, shared in zip(one, two, strict=True):
        assert float(shared["loss"]) == pytest.approx(float(alone["loss"]), abs=1e-4)
        assert shared["accuracy"] == alone["accuracy"]
    saved = torch.load(tmp_path / "two" / "last.pt", weights_only=True)
    assert saved["world_size"] == 2 and json.loads((tmp_path / "two" / "world.json").read_text())["world_size"] == 2
    alone = torch.load(tmp_path / "one" / "last.pt", weights_only=True)
    for name, value in alone["model"].items():
        torch.testing.assert_close(saved["model"][name], value, atol=2e-3, rtol=1e-2, msg=name)

    # the trained weights, scored by one process: what two found on the way
    code, out, error = finish(
        start(
            "posebench", "eval", "--weights", tmp_path / "two" / "last.pt", "--data", people, "--threads", 1,
            "--format", "json", "-q",
        )
    )  # fmt: skip
    assert code == 0, error
    row = json.loads(out)[0]
    assert float(two[-1]["val_loss"]) == row["loss"] and float(two[-1]["val_ap"]) == row["ap"]


def test_a_killed_process_ends_the_run_with_one_line_and_one_process_goes_on(people, tmp_path):
    out = tmp_path / "run"
    arguments = [*ARGUMENTS, "--data", people, "--out", out]
    arguments[arguments.index("--evaluate-every") + 1] = 0
    run = start("posebench", *arguments, "--epochs", 500, "--devices", "cpu,cpu")
    while not (out / "log.csv").exists():
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    second = finish(start("posebench", *arguments, "--epochs", 500, "--resume"))
    assert second[0] == 2 and second[2].count("\n") == 1 and "another training runs in this folder" in second[2]
    os.kill(next(processes_of(run, 1)), signal.SIGKILL)
    code, _, error = finish(run)
    assert code == 1 and error.count("\n") == 1 and "--resume goes on from there" in error
    done = torch.load(out / "last.pt", weights_only=True)["epoch"]
    resumed = start("posebench", *arguments, "--epochs", 500, "--resume")
    while len(log_of(out)) < done + 1:
        assert resumed.poll() is None, resumed.stderr.read()
        time.sleep(0.05)
    resumed.terminate()
    assert finish(resumed)[0] == 130
    assert torch.load(out / "last.pt", weights_only=True)["world_size"] == 1


def test_shares_are_in_order_and_leave_no_sample_out_or_twice():
    for size in (1, 2, 3, 8):
        for total in (1, 2, 7, 32):
            shares = [Ranks(rank, size).share(total) for rank in range(size)]
            assert [n for share in shares for n in range(share.start, share.stop)] == list(range(total))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_folder_in_use_is_refused(tmp_path):
    with (
        file_lock(tmp_path / ".lock", wait=False),
        pytest.raises(InputError, match="another training"),
        locked(tmp_path),
    ):
        pass
