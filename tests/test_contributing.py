"""The recipes of CONTRIBUTING.md, run as they stand, each in a copy of the package of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECIPES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S))
del RECIPES["Map of the house"]
_BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(r'# (\S+\.py)(?:, behind "(.+)")?\n')


def copy_package(place):
    """The package as a checkout is, without what is no source of its."""
    for room in [init.parent for init in ROOT.glob("*/__init__.py")]:
        shutil.copytree(room, place / room.name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.glob("*.py"):
        shutil.copy(file, place)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_does_what_it_says(recipe, tmp_path):
    package, work = tmp_path / "posebench", tmp_path / "work"
    package.mkdir()
    work.mkdir()
    copy_package(package)
    (work / "posebench").write_text(f'#!/bin/sh\nexec {sys.executable} -m posebench "$@"\n')
    (work / "posebench").chmod(0o755)
    path = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{work}", "PATH": f"{work}{os.pathsep}{os.environ['PATH']}"}
    ran = 0
    for language, block in _BLOCK.findall(RECIPES[recipe]):
        named = _FILE.match(block)
        if named:
            file, anchor = named.groups()
            text = block[named.end() :]
            target = (package if "/" in file or (package / file).exists() else work) / file
            if anchor:
                before = target.read_text()
                assert sum(line.startswith(anchor) for line in before.splitlines()) == 1, f"{file} has no line {anchor}"
                lines = before.splitlines(keepends=True)
                at = next(number for number, line in enumerate(lines) if line.startswith(anchor)) + 1
                text = "".join([*lines[:at], text, *lines[at:]])
            else:
                assert not target.exists()
            target.write_text(text)
            continue
        command = [sys.executable, "-c", block] if language == "python" else ["bash", "-eo", "pipefail", "-c", block]
        done = subprocess.run(
            command, cwd=work, env={**os.environ, **path}, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        ran += 1
    assert ran, "nothing of it is run"
