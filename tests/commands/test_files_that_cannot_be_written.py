"""What a command writes is there whole or not at all, whatever keeps it from being written, and that is one line."""

import os
import subprocess
import sys

import pytest

from posebench.pose.errors import InputError
from posebench.pose.files import write_atomic

# Writing beyond 100 bytes fails as on a full disk, in a process of its own, which a signal would
# end if it were not ignored.
ON_A_FULL_DISK = """
import resource, signal, sys
import torch
from posebench import create_model
from posebench.cli import main
from posebench.pose.synth.write import write_synthetic
from posebench.reports.analysis.results import write_results

torch.set_num_threads(1)
write_synthetic("people", train=0, val=6, jobs=1)
torch.save(create_model("tmpose_tiny").state_dict(), "old.pt")
row = {"cell": "a", "status": "ok", "model": "m", "mask": "none", "mask_ratio": 0.0, "ap": 0.5, "gflops_t": 1.0}
write_results("results.csv", [row])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
for line in (
    "flops --model tmpose_tiny --save new.json",
    "flops --model tmpose_tiny --save old.json --force",
    "eval --data people --quiet --no-flip-test --save-results poses.json",
    "weights convert old.pt --model tmpose_tiny --out new.pt",
    "report .",
):
    sys.argv = ["posebench", *line.split()]
    print("$", sys.argv[1], file=sys.stderr)
    try:
        main()
        print("exit code 0", file=sys.stderr)
    except SystemExit as end:
        print("exit code", end.code, file=sys.stderr)
"""


def test_a_full_disk_is_one_line_and_leaves_no_part_of_a_file(tmp_path):
    (tmp_path / "old.json").write_text("kept")
    environment = os.environ | {"MPLCONFIGDIR": str(tmp_path / "matplotlib"), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    found = {}
    for part in result.stderr.split("$ ")[1:]:
        command, *_, line, code = part.strip().splitlines()
        assert line.startswith("posebench: error: ") and line.endswith("cannot be written (File too large)")
        found.setdefault(command, []).append((line.split()[2].strip(":"), code))
    exit_2 = "exit code 2"
    assert found["flops"] == [("new.json", exit_2), ("old.json", exit_2)]
    assert found["eval"] == [("poses.json", exit_2)]
    assert found["weights"] == [("new.pt", exit_2)]
    assert found["report"][0][1] == exit_2
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    kept = {name for name in left if not name.startswith(("people/", "matplotlib/", "plots/"))}
    assert kept == {"old.json", "old.pt", "results.csv"}
    assert (tmp_path / "old.json").read_text() == "kept"
    assert not list(tmp_path.rglob(".*.part"))


def test_only_a_regular_file_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, what in (("pipe", "no regular file"), ("folder", "is a folder")):
        with pytest.raises(InputError, match=what):
            write_atomic(tmp_path / name, "content")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("store/real.csv")
    write_atomic(tmp_path / "link.csv", "new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "store" / "real.csv").read_text() == "new"
    (tmp_path / "null").symlink_to("/dev/null")
    with pytest.raises(InputError, match="no regular file"):
        write_atomic(tmp_path / "null", "content")


def test_a_path_below_a_file_says_what_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("old")
    for path in (tmp_path / "file" / "a", tmp_path / "file" / "b" / "a"):
        with pytest.raises(InputError, match=f"{path}: cannot be written .*is no folder"):
            write_atomic(path, "content")
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("command", ["breakeven", "explain"])
def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(command, posebench, tmp_path, monkeypatch):
    monkeypatch.setattr("posebench.benchmark.instruments.latency.measure_latency", None)
    monkeypatch.setattr("posebench.benchmark.explain.explain.measure_latency", None, raising=False)
    (tmp_path / "file").write_text("old")
    code, out, err = posebench(command, "--mask", "uniform", "--ratios", 0.4, "--out", "file/folder")
    assert (code, out) == (2, "")
    assert err.startswith("posebench: error: --out file/folder: cannot be written (Not a directory)")


@pytest.mark.parametrize("name", ["plain.csv", "a" * 255, "\N{CJK UNIFIED IDEOGRAPH-540D}" * 85])
def test_any_name_that_the_file_system_takes_is_written(name, tmp_path):
    write_atomic(tmp_path / name, "content")
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "content"


def test_a_written_file_has_the_mode_of_any_other_and_the_process_keeps_its_own(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", None)  # it is the whole process's: another thread's files would be open to all
            write_atomic(tmp_path / "results.csv", "content")
    finally:
        os.umask(before)
    assert (tmp_path / "results.csv").stat().st_mode & 0o777 == 0o640
