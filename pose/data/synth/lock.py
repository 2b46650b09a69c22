"""A lock that other processes respect and that a killed process cannot leave behind."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def _lock(handle: int, wait: bool) -> None:
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def file_lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold `path` (made for it, removed after) against all other processes.

    `wait` for whoever holds it, or raise BlockingIOError at once. The system frees the lock when its holder ends,
    however it ends.
    """
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            try:
                _lock(handle, wait)
            except PermissionError as error:  # what Windows raises for a lock that is taken
                raise BlockingIOError(str(error)) from error
            # The one before us removes the file when it is done: then our lock is on a file that is no longer there.
            try:
                ours = os.path.samestat(os.fstat(handle), os.stat(path))
            except FileNotFoundError:
                ours = False
            if ours:
                try:
                    yield
                finally:
                    with contextlib.suppress(OSError):  # Windows keeps open files
                        path.unlink()
                return
        finally:
            os.close(handle)
