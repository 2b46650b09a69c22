"""The command line in this very process: a process of its own would import torch anew for every slip."""

import sys

import pytest

from posebench.cli import main


@pytest.fixture
def posebench(monkeypatch, capsys, tmp_path):
    """Run a command line in an empty folder; gives (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["posebench", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run
