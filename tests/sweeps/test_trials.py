"""A search of layers and ratios: nothing over the budget is evaluated, and a killed search goes on where it was."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from posebench.benchmark.counting.flops import flops_row
from posebench.pose.errors import InputError
from posebench.pose.models.zoo import create_model
from posebench.pose.synth import write_synthetic
from posebench.sweeps.trials import Search, run_search

BUDGET = 0.021


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    write_synthetic(folder / "data", train=4, val=12, seed=1, jobs=1)
    torch.manual_seed(0)
    torch.save(create_model("tmpose_tiny", mask="none").state_dict(), folder / "weights.pth")
    return Search(
        budget=BUDGET, trials=12, weights=folder / "weights.pth", data=folder / "data", model="tmpose_tiny",
        masks=("prune", "random"), people=8, flip_test=False,
    )  # fmt: skip


def silent(done, total):
    pass


def test_without_optuna_one_line_says_what_brings_it(asked, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"pip install 'posebench\[search\]'"):
        run_search(asked, tmp_path / "out", silent)
    assert not (tmp_path / "out").exists()


@pytest.mark.optional
def test_a_search_over_a_mask_of_ones_own_is_another_one_when_its_file_is_edited(asked, tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    file = tmp_path / "own_search_mask.py"
    text = (
        "import torch\nfrom posebench.pose.reductions.tokens import keep\n"
        "def first(tokens, context, left):\n"
        "    return keep(tokens, torch.arange(left).expand(len(tokens), left))\n"
    )
    file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    own = replace(asked, masks=("own_search_mask:first",), trials=1)
    assert len(run_search(own, tmp_path / "out", silent).trials) == 1
    assert len(run_search(own, tmp_path / "out", silent).trials) == 1
    file.write_text(text + "# edited\n")
    with pytest.raises(InputError, match="holds a search with other sources"):
        run_search(own, tmp_path / "out", silent)


@pytest.mark.optional
def test_what_is_evaluated_is_within_the_budget_and_asking_again_does_nothing_anew(asked, tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    found = run_search(asked, tmp_path / "out", silent)
    assert len(found.trials) == 12 and found.people >= 8 and found.over_budget, "7 of them are the usual layers"
    for trial in found.trials:
        reduction = trial.choice.reduction
        assert flops_row("tmpose_tiny", mask=reduction.text, mask_ratio=reduction.ratio)["gflops_t"] <= BUDGET
    monkeypatch.setattr("posebench.sweeps.trials._Bench.score", lambda *_: pytest.fail("evaluated again"))
    again = run_search(asked, tmp_path / "out", silent)
    assert [(t.choice, t.score) for t in again.trials] == [(t.choice, t.score) for t in found.trials]


@pytest.mark.optional
def test_a_search_killed_in_a_trial_goes_on_and_another_one_is_refused(asked, tmp_path):
    pytest.importorskip("optuna")
    import sqlite3

    out = tmp_path / "out"
    arguments = [
        "search", "--budget", BUDGET, "--mask", "prune,random", "--weights", asked.weights, "--data", asked.data,
        "--model", "tmpose_tiny", "--people", 8, "--no-flip-test", "--trials", 500, "--out", out, "--quiet",
    ]  # fmt: skip
    search = subprocess.Popen([sys.executable, "-m", "posebench", *map(str, arguments)])

    def complete():
        try:
            with sqlite3.connect(f"file:{out / 'search.db'}?mode=ro", uri=True) as database:
                return database.execute("select count(*) from trials where state = 'COMPLETE'").fetchone()[0]
        except sqlite3.Error:
            return 0

    while complete() < 2:
        assert search.poll() is None, "it ended before two trials were done"
        time.sleep(0.05)
    os.kill(search.pid, signal.SIGKILL)
    search.wait()
    done = complete()
    with pytest.raises(InputError, match="holds a search with other budget"):
        run_search(replace(asked, budget=0.022), out, silent)
    found = run_search(replace(asked, trials=done + 2), out, silent)
    assert len(found.trials) >= done + 2
