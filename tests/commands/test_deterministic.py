"""--deterministic: the same bits again, on record, and an operator that cannot give them is one line."""

import pytest
import torch

from posebench.sweeps.data import find_data
from posebench.sweeps.plan import make_plan
from posebench.sweeps.request import parse

OWN = '''
"""Keeps the first tokens, which it writes down by an operator that is not deterministic on any device."""
import torch
from posebench.pose.reductions import Reduction
from posebench.pose.reductions.tokens import keep


def first(tokens, context, left):
    chosen = torch.zeros(left, dtype=torch.long).put_(torch.arange(left), torch.arange(left))
    return keep(tokens, chosen.expand(len(tokens), -1))


FIRST = Reduction("first_ones", first, "the first ones")
'''


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """The setting is the process's."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    yield
    torch.use_deterministic_algorithms(False)


def test_two_trainings_are_equal_bit_by_bit_and_say_how_they_were_made(posebench, people, tmp_path):
    command = ("train", "--model", "tmpose_tiny", "--mask", "tome", "--ratio", 0.4, "--data", people, "--epochs", 1,
               "--evaluate-every", 0, "--threads", 1, "--deterministic", "--quiet", "--out")  # fmt: skip
    found = []
    for name in ("one", "two"):
        assert posebench(*command, tmp_path / name)[0] == 0
        found.append(torch.load(tmp_path / name / "last.pt", weights_only=True))
    one, two = found
    assert all(torch.equal(tensor, two["model"][name]) for name, tensor in one["model"].items())
    assert one["made_with"]["deterministic"] is True and one["made_with"]["torch"] == str(torch.__version__)


def test_an_operator_that_has_no_deterministic_algorithm_is_one_line(posebench, people, tmp_path, monkeypatch):
    (tmp_path / "masks_of_mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(".")
    command = ("eval", "--model", "tmpose_tiny", "--mask", "masks_of_mine:FIRST", "--ratio", 0.4, "--data", people,
               "--quiet")  # fmt: skip
    assert posebench(*command)[0] == 0
    code, _, err = posebench(*command, "--deterministic")
    assert (code, err.splitlines()) == (
        2,
        ["posebench: error: --deterministic: put_ has no deterministic algorithm on this device; leave the option out"],
    )


def test_a_sweep_s_results_are_of_other_keys_only_where_it_is_asked_for(people):
    def keys(**asked):
        request = parse({"data": people, "masks": "random", "ratios": "0.4"} | asked)
        return [cell.key for cell in make_plan(request, find_data(request)).cells]

    assert keys() == keys(deterministic=False)
    assert not {*keys()} & {*keys(deterministic=True)}
