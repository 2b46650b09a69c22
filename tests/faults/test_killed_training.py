"""A training that is ended anywhere goes on to the weights and the log of one that was left alone, bit by bit.

What a kill in each write of a checkpoint costs is looked at in pose/training/test_resume.py, one of several processes
that dies in pose/training/test_several_processes.py, a full disk in faults/test_full_disk.py.
"""

import signal
import subprocess
import sys

import pytest
from same_training import assert_same_run

from posebench.pose.synth import cache

#: three steps an epoch; evaluated after each
ARGUMENTS = "train --epochs 2 --batch-size 16 --threads 1 --evaluate-every 1 --mask random --ratio 0.5 -q".split()
#: the embedded set, made small
RENDERED = 48, 12
#: a process that is sent a signal when it is about to call a function for the n-th time
ENDED = f"""
import importlib, os, sys
module, name, number, sent = sys.argv[1:5]
from posebench.pose.synth import cache
cache.TRAIN, cache.VAL = {RENDERED}
*owners, last = name.split(".")
owner = importlib.import_module(module)
for part in owners:
    owner = getattr(owner, part)
real, calls = getattr(owner, last), []
def ended(*arguments, **options):
    calls.append(1)
    if len(calls) == int(number):
        os.kill(os.getpid(), int(sent))
    return real(*arguments, **options)
setattr(owner, last, ended)
sys.argv[1:] = sys.argv[5:]
from posebench.cli import main
main()
"""
#: where, how often before, and whether an epoch is kept
STAGES = {
    "first epoch": ("posebench.pose.training.trainer Trainer.step", 2, False),
    "first evaluation": ("posebench.pose.evaluation.evaluate predict_people", 1, False),
    "first checkpoint": ("os replace", 1, False),
    "between checkpoints": ("posebench.pose.training.loop save_checkpoint", 2, True),
    "first log": ("posebench.pose.training.loop write_log", 1, True),
    "second epoch": ("posebench.pose.training.trainer Trainer.step", 5, True),
    "second evaluation": ("posebench.pose.evaluation.evaluate predict_people", 2, True),
    "second score": ("posebench.pose.evaluation.evaluate Evaluation", 2, True),
    "second checkpoint": ("os replace", 4, True),
    "last log": ("os replace", 6, True),
}
QUICK = {("second evaluation", signal.SIGKILL)}


def ended(stage, sent, arguments):
    where, number, _ = stage
    command = [sys.executable, "-c", ENDED, *where.split(), str(number), str(int(sent)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == (-9 if sent == signal.SIGKILL else 130), (done.returncode, done.stderr)
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def undisturbed(people, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    subprocess.run([sys.executable, "-m", "posebench", *ARGUMENTS, "--data", people, "--out", out], check=True)
    return out


@pytest.mark.parametrize(
    ("stage", "sent"),
    [
        pytest.param(stage, sent, marks=() if (stage, sent) in QUICK else pytest.mark.slow, id=f"{stage}, {sent.name}")
        for stage in STAGES
        for sent in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    ],
)
def test_a_training_ended_at_any_stage_goes_on_to_the_very_same(stage, sent, undisturbed, people, posebench, tmp_path):
    out = tmp_path / "run"
    arguments = [*ARGUMENTS, "--data", people, "--out", out]
    said = ended(STAGES[stage], sent, arguments)
    kept = STAGES[stage][2]
    assert (out / "last.pt").exists() == kept
    if sent != signal.SIGKILL:
        (line,) = said
        assert line.startswith("Interrupted; ") and ("--resume" in line) == kept
    code, _, err = posebench(*arguments, *(["--resume"] if kept else []))
    assert (code, err) == (0, "")
    assert_same_run(undisturbed, out)
    assert {file.name for file in out.iterdir()} == {file.name for file in undisturbed.iterdir()}, "parts of files"


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
def test_a_training_ended_while_its_data_are_rendered_has_them_whole(sent, posebench, tmp_path, monkeypatch):
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    arguments = [*ARGUMENTS, "--out", tmp_path / "run"]
    ended(("posebench.commands.options Bar.__call__", 1, False), sent, arguments)
    assert not (tmp_path / "run").exists() and not list(tmp_path.glob("cache/[!.]*"))
    monkeypatch.setattr(cache, "TRAIN", RENDERED[0])
    monkeypatch.setattr(cache, "VAL", RENDERED[1])
    assert posebench(*arguments)[0] == 0
    (data,) = tmp_path.glob("cache/[!.]*")
    assert posebench(*ARGUMENTS, "--out", tmp_path / "again", "--data", data)[0] == 0
    assert_same_run(tmp_path / "run", tmp_path / "again")


@pytest.mark.slow
def test_a_second_training_in_a_folder_is_refused_and_the_first_is_whole(
    undisturbed, people, posebench, tmp_path, monkeypatch
):
    """The first waits in its second evaluation for what the second has to say."""
    from posebench.pose.training import loop

    out, said, real = tmp_path / "run", [], loop.evaluate
    arguments = [*ARGUMENTS, "--data", people, "--out", out]

    def evaluate(*given, **options):
        if (out / "last.pt").exists():
            before = (out / "last.pt").read_bytes()
            for more in ([], ["--resume"]):
                command = [sys.executable, "-m", "posebench", *arguments, *more]
                done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
                said.append((done.returncode, done.stderr, done.stdout))
            assert (out / "last.pt").read_bytes() == before
        return real(*given, **options)

    monkeypatch.setattr(loop, "evaluate", evaluate)
    assert posebench(*arguments)[0] == 0
    for code, err, printed in said:
        assert (code, printed) == (2, "") and err.count("\n") == 1
        assert f"{out}: another training runs in this folder" in err
    assert len(said) == 2
    assert_same_run(undisturbed, out)
