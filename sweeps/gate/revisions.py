"""A revision of a git repository as a folder in which its code, and no other, is imported."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...pose.errors import InputError

WORKING_TREE = "working tree"


@dataclass(frozen=True)
class Side:
    """Where the processes of one revision run. name: "base" or "head"; folder: working folder, first in what Python
    looks through; sources: the checkout; environment: variables of its processes."""

    name: str
    revision: str
    folder: Path
    sources: Path
    python: str
    environment: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} ({self.revision})"


@contextlib.contextmanager
def checked_out(repository: Path, name: str, revision: str, python: str) -> Iterator[Side]:
    """A `Side` of a revision of the repository around `repository`, gone at the end; `WORKING_TREE`: the files as
    they are.

    A repository whose top is a package itself (`__init__.py`) is imported under the name that its pyproject.toml says;
    in any other the top and its folder src are looked through. Raises InputError without git, repository or revision.
    """
    top = Path(_git(repository, "rev-parse", "--show-toplevel"))
    with tempfile.TemporaryDirectory(prefix="posebench-gate-") as place:
        tree = Path(place).resolve() / _package_name(top)
        if revision == WORKING_TREE:
            tree.symlink_to(top, target_is_directory=True)
            yield _side(name, revision, tree, top, python)
            return
        commit = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        _git(top, "worktree", "add", "--quiet", "--detach", "--force", str(tree), commit)
        try:
            yield _side(name, f"{revision}, {commit[:12]}", tree, tree, python)
        finally:
            _git(top, "worktree", "remove", "--force", str(tree))


def _side(name: str, revision: str, tree: Path, sources: Path, python: str) -> Side:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    if (tree / "__init__.py").is_file():
        return Side(name, revision, tree.parent, sources, python, environment)
    inside = [str(tree)] + ([str(tree / "src")] if (tree / "src").is_dir() else [])
    environment["PYTHONPATH"] = os.pathsep.join([*inside, *filter(None, [os.environ.get("PYTHONPATH")])])
    return Side(name, revision, tree, sources, python, environment)


def _package_name(top: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        named = re.search(r'^name\s*=\s*"([\w.-]+)"', (top / "pyproject.toml").read_text(encoding="utf-8"), re.M)
        if named:
            return named[1].replace("-", "_")
    return top.name


def _git(folder: Path, *arguments: str) -> str:
    """What a git command prints. InputError with its last line where it fails."""
    # A git hook sets GIT_DIR and its like, which would name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, env=environment)
    except OSError as error:
        raise InputError(f"git cannot be run ({error.strerror}); a gate compares two revisions by it") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        what = arguments[-1].removesuffix("^{commit}")
        raise InputError(f"git {arguments[0]} {what}: {said[-1] if said else 'there is no such revision'}")
    return done.stdout.strip()
