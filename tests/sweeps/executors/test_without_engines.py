"""Whoever lacks what an executor is made of is told what to install."""

import sys

import pytest

from posebench.pose.errors import InputError
from posebench.sweeps.executors import Resources, Task, find_executor


@pytest.mark.parametrize(("name", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_an_engine_that_is_not_installed_is_named_with_the_command_that_installs_it(
    name, package, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    task = Task("cell", "posebench.sweeps.cell", tmp_path / "cells" / "key")
    with pytest.raises(InputError, match=rf"pip install 'posebench\[{name}\]'"):
        find_executor(name).run([task], Resources(tmp_path), print, print)
