"""Files are written whole or not at all; where those lie that are made again when they are gone."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from .errors import InputError


def default_cache_dir() -> Path:
    """$POSEBENCH_CACHE, else $XDG_CACHE_HOME/posebench (if absolute: its specification), else where the system keeps
    such things: ~/.cache/posebench on Linux."""
    own = os.environ.get("POSEBENCH_CACHE")
    if own:
        return Path(os.path.abspath(Path(own).expanduser()))
    shared = os.environ.get("XDG_CACHE_HOME")
    if shared and os.path.isabs(shared):
        return Path(shared) / "posebench"
    return platformdirs.user_cache_path("posebench", appauthor=False)


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """InputError unless a file can be put at `path`: it is new, or a regular file, which alone is ever replaced."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # new; or what is wrong with it will be told by the attempt to write
    except ValueError:
        raise InputError(f"{str(path)!r}: is no file name") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder; give a file")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is no regular file (a device, say), which is not replaced; give another file")


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success fsync it and rename it to `path`, on failure delete it.

    Parent folders are made. A reader sees the old file or the whole new one, never a part. A link stays one: the file
    that it leads to is replaced. InputError where `path` cannot be written, or holds anything but a regular file.
    """
    check_replaceable(path)
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files; results are ordinary ones
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        under_a_file = isinstance(error, (FileExistsError, NotADirectoryError))
        reason = f"{target.parent} is no folder" if under_a_file else error.strerror or error
        raise InputError(f"{path}: cannot be written ({reason})") from None


def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write `content` (text as UTF-8) to `path` whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
