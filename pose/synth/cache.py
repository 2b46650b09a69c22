"""The data set that a sweep without --data uses: rendered once, kept in the user's cache folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from ..files import default_cache_dir
from ..lock import file_lock
from .scene import RENDERER_VERSION
from .write import write_synthetic

TRAIN, VAL, SEED = 6000, 1000, 0


def default_set_path() -> Path:
    """Where the default set lies or will lie; the name tells renderer and parameters, so an update renders anew."""
    return default_cache_dir() / f"synthetic-coco-r{RENDERER_VERSION}-train{TRAIN}-val{VAL}-seed{SEED}"


def ensure_default_set(progress: Callable[..., None] | None = None) -> Path:
    """The default set's folder, rendered now if it is not there yet. Two processes at once make it once.

    Raises InputError when the cache folder cannot be written to.
    """
    path = default_set_path()
    if path.is_dir():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(path.parent / f".{path.name}.making", wait=True):
            if not path.is_dir():
                write_synthetic(path, train=TRAIN, val=VAL, seed=SEED, progress=progress)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path.parent}: cannot use this cache folder ({reason}); set POSEBENCH_CACHE to a writable one"
        ) from error
    return path
