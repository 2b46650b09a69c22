"""What is installed is what lies in the folders, and it works without them."""

import ast
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import posebench
from posebench.pose.synth import write_synthetic

ROOT = Path(posebench.__file__).parent
CODE = [path.parent for path in ROOT.glob("*/__init__.py")]


def source_files() -> set[str]:
    """The package's files, data included, as they are called in a wheel."""
    inside = [path for folder in CODE for path in folder.rglob("*") if path.is_file()]
    inside += ROOT.glob("*.py")
    return {f"posebench/{path.relative_to(ROOT)}" for path in inside if "__pycache__" not in path.parts}


def test_the_packages_listed_by_hand_are_the_folders_with_code():
    listed = ast.literal_eval(
        re.search(r"^packages = (\[.*?\])$", (ROOT / "pyproject.toml").read_text(), re.S | re.M)[1]
    )
    folders = {Path(file).parent for file in source_files() if file.endswith(".py")}
    assert sorted(listed) == sorted(".".join(folder.parts) for folder in folders)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the tree, so that nothing is left in it and nothing old gets in."""
    place = tmp_path_factory.mktemp("wheel")
    tree = place / "tree"
    for file in source_files():
        target = tree / Path(file).relative_to("posebench")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / Path(file).relative_to("posebench"), target)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, tree]
    subprocess.run(pip, check=True, timeout=300)
    (file,) = place.glob("*.whl")
    return file


def test_a_wheel_holds_every_file_and_no_other(wheel):
    with zipfile.ZipFile(wheel) as content:
        files = {name for name in content.namelist() if ".dist-info/" not in name}
    assert files == source_files()


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of an environment with the wheel in it; the other packages are read from this environment."""
    place = tmp_path_factory.mktemp("installed") / "env"
    venv.create(place, with_pip=True)
    purelib = subprocess.check_output(
        [place / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, timeout=300)
    elsewhere = [path for path in sys.path if path.endswith("site-packages")]
    # A line of a .pth file adds a folder without reading the .pth files in it: an editable install stays out.
    (Path(purelib) / "elsewhere.pth").write_text("\n".join(elsewhere))
    return place / "bin"


@pytest.mark.slow
def test_an_installed_wheel_runs_a_sweep(installed, tmp_path):
    write_synthetic(tmp_path / "people", train=16, val=8, jobs=1)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = subprocess.check_output(
        [installed / "python", "-c", "import posebench; print(posebench.__file__)"],
        text=True, cwd=tmp_path, env=variables,
    )  # fmt: skip
    assert Path(where.strip()).is_relative_to(installed.parent)
    command = [
        installed / "posebench",
        "sweep",
        "--data",
        "people",
        "--mask",
        "random",
        "--ratios",
        "0.5",
        "--out",
        "run",
    ]
    command += ["--epochs", "1", "--base-epochs", "1", "--threads", "1", "--jobs", "1"]
    subprocess.run(command, check=True, cwd=tmp_path, env=variables, timeout=600)
    assert (tmp_path / "run" / "results.csv").read_text().count(",ok,") == 2
    assert "<svg" in (tmp_path / "run" / "report.html").read_text()
