"""Files are written whole or not at all, and read where that ends; where those lie that are made again when gone."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from .errors import InputError

#: set to 1 it lets images of a data set, and folders in it, be links to what lies elsewhere
FOLLOW_LINKS = "POSEBENCH_FOLLOW_LINKS"
LARGEST_TEXT = 2**28  # bytes of a file of results or counts, or of what is noted beside them
LONGEST_PART = 100  # bytes of a name that its temporary file has, too, which adds to them


def read_regular(path: str | os.PathLike[str], most: int, *, follow: bool = True) -> bytes:
    """The bytes of a regular file of at most `most` bytes; InputError for a larger one, and for what reading may never
    end of: a pipe, a device. OSError where it cannot be read. follow: links, the last part of the path alone."""
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    with open(path, "rb", buffering=0, opener=lambda name, _: os.open(name, flags)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file (a pipe or a device, say)"
            raise InputError(f"{path}: is {what}; give a file")
        if status.st_size > most:
            raise InputError(f"{path}: is larger than {most:,} bytes, the limit for such a file")
        return file.read()


def read_text(path: str | os.PathLike[str], most: int = LARGEST_TEXT) -> str:
    """The text (UTF-8) of a regular file, as `read_regular`; UnicodeDecodeError where it is none."""
    return read_regular(path, most).decode()


def is_inside(folder: Path, path: Path) -> bool:
    """Whether `path`, its links followed, lies in `folder`; True wherever it lies with FOLLOW_LINKS."""
    root, place = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
    return root == place or root in place.parents or os.environ.get(FOLLOW_LINKS) == "1"


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
    except (FileNotFoundError, NotADirectoryError):
        return  # new; or what is wrong with it will be told by the attempt to write
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    except ValueError:
        raise InputError(f"{str(path)!r}: is no file name") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder; give a file")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is no regular file (a device, say), which is not replaced; give another file")


def check_writable(path: str | os.PathLike[str]) -> None:
    """`check_replaceable`, and InputError where the folder that the file would lie in is not there, or takes no files:
    before hours are spent on its content."""
    check_replaceable(path)
    folder = Path(os.path.realpath(path)).parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        no_folder = isinstance(error, (FileNotFoundError, NotADirectoryError))
        reason = f"{folder} is no folder" if no_folder else error.strerror
        raise InputError(f"{path}: cannot be written ({reason}); give another file") from None


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
        name = os.fsdecode(os.fsencode(target.name)[:LONGEST_PART])
        temporary = target.parent / f".{name}.{secrets.token_hex(4)}.part"
        open(temporary, "xb").close()  # an ordinary file, where tempfile would make a private one
        try:
            yield temporary
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
