"""Whole or not at all, never over something, and the same bytes for the same seed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from posebench.pose.errors import InputError, ProcessLost
from posebench.pose.synth import write_synthetic

WRITE = "from posebench.pose.synth import write_synthetic as write"


def content(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("layout", ["coco", "mpii"])
def test_a_seed_gives_the_same_bytes_with_one_process_and_with_three(tmp_path, coco_set, mpii_set, layout):
    write_synthetic(tmp_path / "again", train=110, val=70, seed=3, layout=layout, jobs=3)
    assert content(tmp_path / "again") == content({"coco": coco_set, "mpii": mpii_set}[layout])


def test_another_seed_gives_other_pictures(tmp_path):
    for seed in (0, 1):
        write_synthetic(tmp_path / str(seed), train=0, val=3, seed=seed)
    first, second = content(tmp_path / "0"), content(tmp_path / "1")
    pictures = [name for name in first if name.endswith(".jpg") and name in second]
    assert pictures and all(first[name] != second[name] for name in pictures)


def test_validation_people_do_not_depend_on_how_many_are_for_training(tmp_path, coco_set):
    write_synthetic(tmp_path / "set", train=0, val=70, seed=3)
    ours, other = content(tmp_path / "set"), content(coco_set)
    assert len(ours) > 30 and all(other[name] == ours[name] for name in ours)


@pytest.mark.parametrize(("train", "val"), [(1, 1), (7, 2), (0, 5)])
def test_small_counts_are_exact(tmp_path, train, val):
    seen = []
    write_synthetic(tmp_path / "set", train=train, val=val, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (train + val, train + val)
    for split, people in (("train", train), ("val", val)):
        file = tmp_path / f"set/annotations/person_keypoints_{split}2017.json"
        assert (file.read_text().count('"num_keypoints"') if people else file.exists()) == people


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"set is not empty"):
        write_synthetic(tmp_path / "set", train=1, val=1)
    assert content(tmp_path) == {"set/thesis.txt": b"years of work"}


def test_a_set_is_not_overwritten_by_another(tmp_path):
    write_synthetic(tmp_path / "set", train=1, val=1)
    before = content(tmp_path)
    with pytest.raises(InputError, match="nothing is overwritten"):
        write_synthetic(tmp_path / "set", train=1, val=1, seed=5)
    assert content(tmp_path) == before


def test_an_empty_folder_may_be_filled_and_a_file_may_not(tmp_path):
    (tmp_path / "empty").mkdir()
    write_synthetic(tmp_path / "empty", train=1, val=1)
    assert (tmp_path / "empty/annotations").is_dir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not a folder"):
        write_synthetic(tmp_path / "file", train=1, val=1)
    with pytest.raises(InputError, match="cannot write"):
        write_synthetic(tmp_path / "file/below", train=1, val=1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_leaves_nothing(tmp_path, jobs):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_synthetic(tmp_path / "set", train=200, val=0, jobs=jobs, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_rendering_process_that_is_killed_is_told_and_leaves_nothing(tmp_path):
    def kill(done: int, total: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(ProcessLost, match=r"^a rendering process ended \(out of memory\?\); give fewer --jobs$"):
        write_synthetic(tmp_path / "set", train=400, val=0, jobs=2, progress=kill)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_leaves_no_half_set_and_no_process_and_can_be_repeated(tmp_path):
    code = f"{WRITE}\nif __name__ == '__main__': write({str(tmp_path / 'set')!r}, train=100_000, val=1, jobs=2)"
    script = tmp_path / "script.py"
    script.write_text(code)
    run = subprocess.Popen([sys.executable, str(script)])
    try:
        _until(lambda: any(tmp_path.glob(".set.part/images/*/*.jpg")) or run.poll() is not None)
        assert run.poll() is None
        workers = psutil.Process(run.pid).children(recursive=True)
        assert len(workers) >= 2
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    assert not (tmp_path / "set").exists()
    _until(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers))

    write_synthetic(tmp_path / "set", train=2, val=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py", "set"]
    assert len(list((tmp_path / "set/images/train2017").iterdir())) <= 2, "nothing of the killed run got in"


def test_a_set_that_another_process_is_writing_is_refused(tmp_path):
    code = (
        f"{WRITE}\nimport time\n"
        "def slow(*counts): print('busy', flush=True); time.sleep(60)\n"
        f"write({str(tmp_path / 'set')!r}, train=3, val=0, progress=slow)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as run:
        try:
            assert run.stdout is not None and run.stdout.readline() == b"busy\n"
            with pytest.raises(InputError, match="another process is writing"):
                write_synthetic(tmp_path / "set", train=1, val=1)
        finally:
            run.kill()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "yolo"}, "unknown layout 'yolo'; choose one of coco, mpii"),
        ({"train": -1}, "train is -1"),
        ({"val": 10**9}, "val is 1000000000"),
        ({"train": 0, "val": 0}, "at least one person"),
        ({"seed": -2}, "seed is -2"),
        ({"jobs": 0}, "jobs is 0"),
    ],
)
def test_what_cannot_be_asked_for_is_said_in_one_line(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message) as error:
        write_synthetic(tmp_path / "set", **arguments)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_rendering_process_does_not_load_torch():
    code = "import sys, posebench.pose.synth.render; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def _until(done, seconds: float = 60.0) -> None:
    """Wait until `done()`; a hung condition fails rather than blocks."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
