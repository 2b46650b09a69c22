"""One thread per test process: the suite runs in several, and threads that wait for each other cost minutes."""

import signal
import sys

import pytest
import torch
from photographs import write_photographs

from posebench.cli import main
from posebench.pose.synth import write_synthetic

torch.set_num_threads(1)
# A shell's & and nohup have their children ignore Ctrl-C, and so would ours, which are sent it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder with coco and mpii: rendered people with the oddities of the real sets (see photographs.py)."""
    return write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """A COCO folder that is just large enough: 48 people to train on and 24 to evaluate on."""
    folder = tmp_path_factory.mktemp("small_data") / "people"
    write_synthetic(folder, train=48, val=24, seed=3, jobs=1)
    return folder


@pytest.fixture
def columns():
    """How wide the terminal of `posebench` is."""
    return 80


@pytest.fixture
def posebench(monkeypatch, capsys, tmp_path, columns):
    """Run a command line in an empty folder; gives (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(columns))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["posebench", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run
