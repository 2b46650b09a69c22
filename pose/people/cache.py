"""What was read of large annotation files, kept in the user's cache folder, so that each is read once.

An entry is named by the content of the files that it was read from, by how they were read, and by the source of the
readers; it holds plain arrays (npz, no pickle). One that is broken is dropped and made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..crops import boxes, people, person
from ..crops.people import People
from ..crops.person import Person
from ..errors import InputError
from ..files import atomic_path, default_cache_dir
from .fields import folder_inside

SMALLEST = 8 * 2**20  # bytes of files that are worth it; less is read in half a second
MOST = 24  # entries that are kept, the last used
Arrays = dict[str, np.ndarray]
Kept = TypeVar("Kept")


def cached_people(
    files: tuple[Path, ...], how: tuple[object, ...], images_at: Path, read: Callable[[], Iterable[Person]]
) -> People:
    """`read()` in arrays, out of the cache where that was read before. files: all that it reads; how: all else that it
    depends on, but for the folder `images_at` that the pictures lie in."""

    def valid(arrays: Arrays) -> People:
        people = People(arrays, images_at)
        if not all(folder_inside(images_at, part) for part in people.parts()):
            raise ValueError("a folder of pictures has become a link out of theirs, which the reader tells")
        return people

    return cached(files, ("people", *how), valid, lambda: People.of(read(), images_at).arrays)


def cached(
    files: tuple[Path, ...], how: tuple[object, ...], valid: Callable[[Arrays], Kept], make: Callable[[], Arrays]
) -> Kept:
    """`valid(make())`, of which the cache keeps what `make` gives. `valid` raises ValueError or KeyError for arrays
    that `make` cannot have made."""
    try:
        if sum(path.stat().st_size for path in files) < SMALLEST:
            return valid(make())
    except OSError:
        return valid(make())  # which tells what is wrong with them
    entry = default_cache_dir() / "annotations" / f"{_key(files, how)}.npz"
    with contextlib.suppress(FileNotFoundError):
        try:
            with np.load(entry, allow_pickle=False) as stored:
                kept = valid({name: stored[name] for name in stored.files})
            with contextlib.suppress(OSError):
                os.utime(entry)
            return kept
        except FileNotFoundError:
            raise
        except Exception:  # whatever a damaged archive makes of being read
            with contextlib.suppress(OSError):
                entry.unlink()
    arrays = make()
    with contextlib.suppress(InputError):  # a cache that cannot be written to is none
        with atomic_path(entry) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)
        _remove_unused(entry.parent)
    return valid(arrays)


def content_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex; computed once for as long as the file is not changed."""
    try:
        status = path.stat()
        return _digest(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


@lru_cache(maxsize=16)
def _digest(path: Path, changed: int, size: int) -> str:
    return file_digest(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _key(files: Iterable[Path], how: tuple[object, ...]) -> str:
    parts = [_source(), *map(content_digest, files), *map(repr, how)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@lru_cache
def _source() -> str:
    """Digest of the source of all readers, so that a change of theirs needs no number that somebody must remember."""
    modules = [Path(module.__file__) for module in (boxes, people, person)]
    sources = sorted([*modules, *Path(__file__).parent.glob("*.py")])
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def _remove_unused(folder: Path) -> None:
    with contextlib.suppress(OSError):
        entries = sorted(folder.glob("*.npz"), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in entries[MOST:]:
            entry.unlink(missing_ok=True)
