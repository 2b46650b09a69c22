"""The fixture `flop_budget` in pytest runs of their own, as in a user's project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import posebench
from posebench.testing.budget import compare, macs_by_type, message

#: 4 x 3 x 3 x 3 x 10 x 10 multiply-adds of the convolution, 400 x 2 of the linear layer
CONV, LINEAR = 10_800, 800
TEST = """
import pytest
import torch
from torch import nn


@pytest.mark.parametrize("out", [2, 3])
def test_budget(flop_budget, out):
    layers = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(400, out)
    assert flop_budget(nn.Sequential(*layers), torch.zeros(1, 3, 10, 10), macs=11_600).params > 0
"""


def model(out=2):
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(400, out))


def over(macs, out=2, rel=0.0):
    return compare(model(out), torch.zeros(1, 3, 10, 10), macs, rel, {})[2]


def test_a_failure_is_one_clear_message_that_says_where_the_difference_is(tmp_path):
    file = tmp_path / "test_it.py"
    file.write_text(TEST)
    # The plug-in alone, whether or not this environment's posebench announces it.
    variables = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "posebench.testing.budget", file]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout and "Traceback" not in done.stdout
    assert "flop_budget: 12,000 multiply-adds, budget 11,600: 400 too many (+3.4 %)\n" in done.stdout
    assert "by type of layer: Conv2d 10,800, Linear 1,200" in done.stdout


def test_a_budget_holds_to_the_multiply_add_whole_and_by_layer():
    assert over(CONV + LINEAR) == [] and over(CONV + LINEAR - 1) != []
    assert over(CONV + LINEAR, out=3) != [] and over(CONV + LINEAR, out=3, rel=0.04) == []
    (said,) = over({"Conv2d": CONV, "Linear": LINEAR - 1})
    assert said.startswith("Linear: 800 multiply-adds, budget 799: 1 too many")
    assert over({"Conv3d": 0}) == []
    with pytest.raises(ValueError, match="from 0 on"):
        over(-1)


def test_what_changed_since_the_test_last_held_is_said():
    said = message(["too many"], {"Conv2d": 3, "Linear": 2}, {"Conv2d": 1, "Linear": 2, "Bilinear": 4})
    assert said.splitlines()[-1] == "since this test last held: Conv2d +2, Bilinear -4"


def test_layers_count_by_the_class_that_multiplies():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x):
            return self.inner(x) @ x.transpose(0, 1)

    whole = nn.Sequential(Block(), nn.Linear(2, 8))
    count = posebench.count_flops(whole, torch.zeros(2, 4))
    assert macs_by_type(whole, count.modules) == {"Linear": 2 * 4 * 4 + 2 * 2 * 8, "Block": 2 * 4 * 2}


def test_pytest_finds_the_fixture_and_does_not_wait_for_torch():
    pyproject = (Path(posebench.__file__).parent / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nposebench = "posebench.testing.budget"' in pyproject
    code = "import sys, posebench.testing.budget; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
