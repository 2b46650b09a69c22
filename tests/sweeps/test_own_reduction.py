"""A reduction of the user's own, and one with options, as the axis of a sweep from the command line to the row."""

import csv
import os
import subprocess
import sys

import pytest

from posebench.sweeps.data import find_data
from posebench.sweeps.plan import make_plan
from posebench.sweeps.request import parse

MASK = '''
import torch
from posebench.pose.reductions.tokens import keep

def last(tokens, context, left):
    """Keeps the last tokens."""
    return keep(tokens, torch.arange(tokens.shape[1] - left, tokens.shape[1]).expand(len(tokens), -1))
'''
MASKS = "own_masks:last,prune(keep_ratio=0.5, layers=0|2)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "own_masks.py").write_text(MASK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("own_masks", None)


def keys(people):
    """Key of each cell by mask; a mask of one's own has another after its file was edited."""
    request = parse({"data": people, "masks": "own_masks:last,random", "ratios": "0.5"})
    return {cell.model.mask: (cell.key, cell.timing_key) for cell in make_plan(request, find_data(request)).cells}


def test_an_edited_mask_never_reuses_old_results(folder, people):
    before = keys(people)
    assert keys(people) == before
    (folder / "own_masks.py").write_text(MASK.replace("last tokens", "last token"))
    after = keys(people)
    assert {mask for mask in before if before[mask] == after[mask]} == {"none", "random"}
    assert not set(before["own_masks:last"]) & set(after["own_masks:last"])


def test_masks_with_options_and_of_the_users_own_are_swept_end_to_end(folder, people):
    command = [sys.executable, "-m", "posebench", "sweep", "--data", people, "--mask", MASKS, "--ratios", "0.25"]
    command += ["--epochs", "1", "--base-epochs", "1", "--threads", "1", "--jobs", "2", "--no-latency", "--out", "out"]
    done = subprocess.run([*map(str, command), "-q"], capture_output=True, text=True, env=os.environ, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    with open("out/results.csv", newline="") as file:
        rows = {row["mask"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"none", "own_masks:last", "prune(keep_ratio=0.5, layers=0|2)"}
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert [(row["mask_ratio"], row["tokens_kept"]) for row in rows.values()] == [
        ("0.0", "48"),
        ("0.25", "36"),
        ("0.75", "12"),
    ]
    assert len(os.listdir("out/plots/masks")) == 2
