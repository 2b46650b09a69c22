"""A gate runs what it says it does: real git revisions, real processes; its words hold against simulated truth."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from posebench.pose.errors import InputError
from posebench.reports.analysis.rules import parse_rules
from posebench.sweeps.gate.gate import run_gate, slowdown
from posebench.sweeps.gate.pair import PairResult
from posebench.sweeps.gate.revisions import checked_out
from posebench.sweeps.gate.subject import _build

BENCH = """\
import json, os, pathlib
pathlib.Path({log!r}).open("a").write(pathlib.Path("name.txt").read_text())
print("starting")
print(json.dumps({{"step": [{ms}, {ms}, 1e9]}}))
"""
RULES = parse_rules({"latency": "slower <= 10 %"}, "rules")


@pytest.fixture
def git(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "repository"
    folder.mkdir()
    who = ["-c", "user.name=tests", "-c", "user.email=tests@posebench.invalid", "-c", "commit.gpgsign=false"]

    def run(*arguments):
        done = subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "--quiet")
    run.folder = folder
    return run


@pytest.fixture
def revisions(git, tmp_path):
    """Commits "base" (10 ms) and "slower" (11.5 ms); the working tree is base's, its name changed. Gives the log."""
    log = tmp_path / "log"
    for tag, ms in (("slower", 11.5), ("base", 10.0)):
        (git.folder / "bench.py").write_text(BENCH.format(log=str(log), ms=ms))
        (git.folder / "name.txt").write_text(tag[0])
        git("add", ".")
        git("commit", "--quiet", "--message", tag)
        git("tag", tag)
    (git.folder / "name.txt").write_text("w")
    return log


@pytest.fixture
def gate(posebench, git, monkeypatch):
    def run(*arguments):
        monkeypatch.chdir(git.folder)
        code, out, err = posebench("gate", "--quiet", *arguments)
        return code, out + err

    return run


def test_two_revisions_are_run_in_turn_and_a_failure_is_measured_twice(gate, revisions, git):
    code, said = gate("--base", "base", "--head", "slower", "--command", "python bench.py")
    assert code == 1 and "failed: step: latency: slower <= 10 %: +15.0 %" in said and "confirmed by a second" in said
    assert revisions.read_text() == "bssb" * 3 + "bssb" * 3, "six pairs, and six new ones to confirm"
    assert len(git("worktree", "list").splitlines()) == 1 and (git.folder / "name.txt").read_text() == "w"


def test_the_working_tree_is_the_head_and_passes_unchanged(gate, revisions):
    code, said = gate("--base", "base", "--command", "python bench.py", "--format", "json")
    (outcome,) = json.loads(said)
    assert code == 0 and outcome["status"] == "passed" and set(revisions.read_text()) == set("bw")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--base", "nowhere"), "nowhere"),
        (("--base", "--force"), "--force"),
        (("--base", "base", "--command", "python -c 1/0"), "ZeroDivisionError"),
        (("--base", "base", "--command", "python -c print(0)"), "its last line must be"),
        (("--base", "base", "--command", "no-such-program"), "cannot be run"),
        (("--base", "base", "--command", "python bench.py", "--model", "tmpose_s"), "contradict"),
        (("--base", "base", "--rules", "none.yaml"), "none.yaml"),
        (("--base", "base", "--base-python", "/no/python"), "/no/python cannot be run"),
    ],
)
def test_what_cannot_be_gated_is_one_line_and_leaves_nothing(gate, revisions, git, arguments, words):
    code, said = gate(*arguments)
    assert code == 2 and words in said and len(said.strip().splitlines()) == 1
    assert len(git("worktree", "list").splitlines()) == 1


@pytest.mark.parametrize(("runtime", "normalises"), [("eager", True), ("fused", False)])
def test_a_process_of_a_gate_runs_its_models_in_the_runtime_asked_for(runtime, normalises):
    """`fused` has folded the batch norms into the convolutions before them."""
    subject = {"label": "m", "model": {"name": "tmpose_tiny", "mask": "uniform", "mask_ratio": 0.4}}
    parts = ["latency", "latency_transformer"]
    order = {"subjects": [subject], "parts": parts, "batch_size": 2, "device": "cpu", "threads": 1, "runtime": runtime}
    calls, _ = _build(order)
    assert list(calls) == ["latency m", "latency_transformer m"]
    with torch.inference_mode(), torch.profiler.profile() as profiler:
        for call in calls.values():
            call()
    seen = {event.key for event in profiler.key_averages()}
    assert "aten::layer_norm" in seen and ("aten::batch_norm" in seen) == normalises


def test_outside_of_a_repository_that_is_said(tmp_path):
    with pytest.raises(InputError, match="repository"), checked_out(tmp_path, "base", "HEAD", sys.executable):
        pass


def test_a_repository_that_is_a_package_is_imported_under_its_own_name(git):
    (git.folder / "pyproject.toml").write_text('[project]\nname = "my-package"\n')
    (git.folder / "__init__.py").write_text("SAID = 1\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    for revision in ("HEAD", "working tree"):
        with checked_out(git.folder, "base", revision, sys.executable) as side:
            command = [side.python, "-c", "import my_package; print(my_package.SAID, my_package.__file__)"]
            said = subprocess.check_output(command, cwd=side.folder, env=side.environment, text=True)
        assert said.startswith("1 ") and said.endswith("my_package/__init__.py\n")


def test_the_interval_is_of_order_statistics_and_outliers_do_not_widen_it():
    ratios = [1.00, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.30, 0.70]
    found = slowdown(ratios)
    # Of nine values the second and the eighth enclose the median in 1 - 2 (1 + 9) / 2^9 = 96.1 % of all draws.
    assert found[:3] == pytest.approx((0.03, 0.00, 0.06))
    assert slowdown(ratios[:2]).high == float("inf"), "two have no interval"


def simulated(ratio, seed, spread=0.02, outliers=1 / 12):
    """A `measure` whose processes shift by `spread`, and one in a dozen is a fifth slower."""
    rng = np.random.default_rng(seed)

    def measure(number):
        shifts = rng.normal(0, spread, 2) + 0.2 * (rng.random(2) < outliers)
        return PairResult({"latency m": float(ratio * np.exp(shifts[1] - shifts[0]))}, {"latency m": (1.0, ratio)}, 40)

    return measure


def share(word, ratio, gates=400):
    return sum(run_gate(simulated(ratio, seed), RULES)[0].status == word for seed in range(gates)) / gates


def test_errors_of_the_gate_in_simulated_runs():
    assert share("failed", 1.10) <= 0.01, "a rule that just holds"
    assert share("failed", 1.0) == 0 and share("passed", 1.0) >= 0.99, "unchanged"
    assert share("failed", 1.15) >= 0.9 and share("passed", 1.15) == 0, "a slowdown of 15 %"


@pytest.mark.slow
def test_a_planted_slowdown_is_caught_and_an_unchanged_revision_passes():
    from reference import DATA

    script = DATA.parent / "speed" / "gate_rounds.py"
    subprocess.run([sys.executable, script, "--slower", "1", "--same", "1"], check=True)
