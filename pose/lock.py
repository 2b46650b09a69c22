"""A lock that other processes respect and that a killed process cannot leave behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


@contextlib.contextmanager
def file_lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold `path` (made for it, removed after) against all other processes.

    `wait` for whoever holds it, or raise BlockingIOError at once. The system frees the lock when its holder ends,
    however it ends.
    """
    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout as error:
        raise BlockingIOError(str(error)) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps open files; others that wait for a removed one start over
            path.unlink()
        lock.release()
