"""Code of a user's that fails while it runs: one line that names its place, the traceback for who asks for it."""

from pathlib import Path

import pytest

from posebench.cli import TRACEBACK
from posebench.reports.analysis.results import read_results, records_of

MASKS = '''
import sys
import torch
from posebench.pose.reductions import Reduction


def raises(tokens, context, left):
    return {}["scores"]


def shapes(tokens, context, left):
    return tokens @ torch.zeros(3, 3)


def leaves(tokens, context, left):
    sys.exit("enough")


KEY, SHAPE, EXIT = (Reduction(f.__name__, f, "it does not work") for f in (raises, shapes, leaves))
'''
MODELS = '''
from torch import nn


def build(keypoints, input_size, mask):
    return 1 / 0


class Network(nn.Module):
    def forward(self, images, sample_ids=None):
        raise NotImplementedError("no forward yet")


def empty(keypoints, input_size, mask):
    return Network()
'''


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    (tmp_path / "failing_masks.py").write_text(MASKS)
    (tmp_path / "failing_models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(".")
    monkeypatch.delenv(TRACEBACK, raising=False)


@pytest.mark.parametrize("command", ["flops", "profile --no-memory --quiet", "eval --quiet --data DATA"])
@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("--model tmpose_tiny --mask failing_masks:KEY", "failing_masks.py:8: KeyError: 'scores' "),
        ("--model tmpose_tiny --mask failing_masks:SHAPE", "failing_masks.py:12: RuntimeError: mat1 and mat2 "),
        ("--model tmpose_tiny --mask failing_masks:EXIT", "failing_masks.py:16: SystemExit: enough "),
        ("--model failing_models:build", "failing_models.py:6: ZeroDivisionError: division by zero "),
        ("--model failing_models:empty", "failing_models.py:11: NotImplementedError: no forward yet "),
    ],
)
def test_it_is_one_line_with_its_place(command, own, said, posebench, people, tmp_path):
    ratio = {"f": "--ratios 0.4", "p": "--ratios 0.4", "e": "--ratio 0.4"}[command[0]] if "--mask" in own else ""
    code, out, err = posebench(*f"{command} {own} {ratio}".replace("DATA", str(people)).split())
    (line,) = err.splitlines()
    assert code == 2 and out == ""
    assert line.startswith("posebench: error: ") and said in line and f"{TRACEBACK}=1" in line


def test_who_asks_for_the_traceback_gets_it(posebench, monkeypatch):
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(KeyError, match="scores"):
        posebench("flops", "--model", "tmpose_tiny", "--mask", "failing_masks:KEY", "--ratios", "0.4")


def test_a_mistake_of_ours_is_not_said_to_be_theirs(posebench, monkeypatch):
    from posebench.commands import counts

    monkeypatch.setattr(counts, "words", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        posebench("flops", "--model", "tmpose_tiny")


def test_in_a_sweep_its_cells_fail_and_the_others_are_done(posebench, people):
    code, out, _ = posebench(
        "sweep", "--data", people, "--mask", "random,failing_masks:EXIT", "--ratios", 0.5, "--epochs", 1,
        "--base-epochs", 1, "--threads", 1, "--no-latency", "--quiet", "--out", "run",
    )  # fmt: skip
    assert code == 1
    assert "failing_masks.py:16: SystemExit: enough" in " ".join(out.split()).replace("failing_ masks", "failing_masks")
    assert [row["status"] for row in records_of(read_results(Path("run/results.csv")))] == ["ok", "ok", "failed"]
