"""A disk that fills: one line that says so, what was there stays, and with room the same command goes on."""

import csv
import subprocess
import sys

import pytest

SMALL = "--model tmpose_tiny --mask random --ratios 0.5 --epochs 1 --base-epochs 1 --threads 1 --jobs 1 --no-latency -q"


@pytest.fixture
def disk(tmp_path):
    """A folder on a disk of its own, and a function that makes it so large."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size, *more):
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", *more, "tmpfs", folder]
        return subprocess.run(command, capture_output=True).returncode == 0

    if not resize("100k"):
        pytest.skip("mounting a small disk takes root")
    yield folder, lambda size: resize(size, "-o", "remount")
    subprocess.run(["umount", "-l", folder], check=True)


def run(*arguments):
    command = [sys.executable, "-m", "posebench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr.strip().splitlines(), done.stdout.splitlines()


def table(out):
    with open(out / "results.csv", newline="") as file:
        return [(row["status"], row["mask"], row["ap"], row["loss_final"]) for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("size", ["100k", "300k", "3m", "7m", "10m", "14m"])
def test_a_sweep_says_that_the_disk_is_full_and_goes_on_when_there_is_room(size, disk, people, tmp_path):
    folder, resize = disk
    assert run("sweep", "--data", people, "--out", tmp_path / "whole", *SMALL.split())[0] == 0
    resize(size)
    command = ("sweep", "--data", people, "--out", folder / "run", *SMALL.split())
    code, *said = run(*command)
    if code:  # the sweep's, or where others went on that of a cell, which the results tell
        said = [*said[0], *said[1]]
        assert any("No space left on device" in line for line in said), said
        assert not any("Traceback" in line for line in said)
    assert code or size in ("10m", "14m"), "the smaller ones do not hold it"
    resize("100m")
    assert run(*command)[0] == 0
    assert table(folder / "run") == table(tmp_path / "whole")


@pytest.mark.parametrize(
    "command",
    [
        "data synth --out DISK/data --train 40 --val 4 --quiet",
        "flops --model tmpose_tiny --mask random --ratios 0,0.1,0.2,0.3,0.4 --save DISK/counts.json",
        "export tmpose_tiny --weights WEIGHTS --runtime torch --out DISK/model.pt2",
    ],
)
def test_what_finds_no_room_is_one_line_and_leaves_nothing(command, disk, sound):
    folder, _ = disk
    with pytest.raises(OSError), open(folder / "ballast", "wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
    code, said, _ = run(*command.replace("DISK", str(folder)).replace("WEIGHTS", str(sound / "tiny.pt")).split())
    assert code == 2 and said[1:] == [] and "No space left on device" in said[0], said
    assert [file.name for file in folder.rglob("*") if file.is_file()] == ["ballast"]
