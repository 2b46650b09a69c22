"""What the tests of hostile input share: one way to run a command in this process, and one meaning of "refused"."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from posebench.cli import main

SECONDS = 60  # nothing that is refused takes so long; a case that hangs fails


def cases(table, *, quick=24):
    """Parameters of a test, the names of `table` as ids; all but every `quick`-th wait for `make slow`."""
    return [
        pytest.param(value, id=name, marks=() if number % quick == 0 else pytest.mark.slow)
        for number, (name, value) in enumerate(table.items())
    ]


def tree(folder):
    """Every path below a folder: what kind it is, its size and when it was written."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            status = os.lstat(os.path.join(place, name))
            found[os.path.relpath(os.path.join(place, name), folder)] = (
                status.st_mode, status.st_size if name in files else 0, status.st_mtime_ns if name in files else 0
            )  # fmt: skip
    return found


@dataclass
class Refuse:
    """Calls run a command line, which must be answered by one line and exit code 2, and leave `folder` as it is."""

    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture
    folder: Path

    def __call__(self, *arguments, naming):
        """naming: texts that the line must hold: the file, and the place in it."""
        before = tree(self.folder)
        code, out, err = self.run(*arguments)
        assert code == 2, (code, out, err[-2000:])
        lines = err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("posebench: error: ") and len(lines[0]) < 2100, err[-3000:]
        assert out == ""
        for text in [naming] if isinstance(naming, (str, Path)) else naming:
            assert str(text) in lines[0], lines[0]
        assert tree(self.folder) == before
        return lines[0]

    def run(self, *arguments):
        """Exit code, standard output and standard error, the C libraries' own lines included."""
        self.monkeypatch.chdir(self.folder)
        self.monkeypatch.setattr(sys, "argv", ["posebench", *map(str, arguments)])
        self.capture.readouterr()
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(SECONDS)
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            signal.alarm(0)
        return code, *self.capture.readouterr()


def _too_long(*_):
    raise AssertionError(f"not refused within {SECONDS} s")
