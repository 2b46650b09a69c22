"""Reading users' JSON with suspicion: every accessor checks what it returns.

The accessors raise FieldError, which says what is wrong; the reader that knows the file and the entry adds where.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import FOLLOW_LINKS, is_inside, read_regular

LARGEST_FILE = 2**32  # bytes
LARGEST_PIXEL = 1e6  # beyond this a coordinate is a mistake, and arithmetic on it would only hide that


class FieldError(ValueError):
    """What is wrong with an entry, without saying where."""


class Stop:
    """The first fault of a file ends its reading: InputError naming the file and what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, what: str) -> None:
        raise InputError(f"{self.path}: {what}") from None


OnFault = Callable[[str], None]


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises InputError naming the file when it is missing, cut or no JSON."""
    try:
        return json.loads(read_regular(path, LARGEST_FILE))
    except FileNotFoundError:
        raise InputError(f"{path}: the annotation file is missing") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); "
            "is the file cut off or incompletely downloaded?"
        ) from None
    except (ValueError, RecursionError) as error:  # not UTF-8; endless digits; absurd nesting
        raise InputError(f"{path}: not valid JSON ({error})") from None


def shown(value: object, limit: int = 40) -> str:
    """A value for an error message, on one line and cut to `limit` characters."""
    if isinstance(value, (dict, list)):
        text = f"{type(value).__name__} of {len(value)}"
    elif isinstance(value, int) and abs(value) > 10**limit:
        return "a huge integer"
    else:
        text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def get(record: Any, key: str) -> Any:
    """record[key], where `record` must be an object that has it."""
    if type(record) is not dict:
        raise FieldError(f"must be an object, found {shown(record)}")
    try:
        return record[key]
    except KeyError:
        raise FieldError(f"{key!r} is missing") from None


def get_int(record: Any, key: str, *, least: int | None = None) -> int:
    """An integer (a float without fraction passes, as some tools write ids so), at least `least`."""
    value = get(record, key)
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if type(value) is not int or abs(value) >= 2**63:
        raise FieldError(f"{key!r} must be an integer, found {shown(value)}")
    if least is not None and value < least:
        raise FieldError(f"{key!r} must be at least {least}, found {value}")
    return value


def get_number(record: Any, key: str, *, least: float = -math.inf) -> float:
    """A finite number, at least `least`."""
    value = get(record, key)
    if type(value) not in (int, float) or abs(value) > 1e300 or not math.isfinite(value):
        raise FieldError(f"{key!r} must be a finite number, found {shown(value)}")
    if value < least:
        raise FieldError(f"{key!r} must be at least {least:g}, found {value:g}")
    return float(value)


def get_text(record: Any, key: str) -> str:
    """A string that is not empty."""
    value = get(record, key)
    if type(value) is not str or not value:
        raise FieldError(f"{key!r} must be a text, found {shown(value)}")
    return value


def get_file_name(record: Any, key: str, folder: Path | None = None) -> str:
    """A relative file name that stays inside its folder, where that is given also by the links among its parts (the
    file itself may be one, see crops/images.py)."""
    name = get_text(record, key)
    if not name.isprintable() or Path(name).is_absolute() or ".." in Path(name).parts:
        raise FieldError(f"{key!r} must be a file name inside the image folder, found {shown(name)}")
    if folder is not None and "/" in name and not folder_inside(folder, os.path.dirname(name)):
        raise FieldError(
            f"{key!r} must be a file name inside the image folder, found {shown(name)}, a link out of it; set "
            f"{FOLLOW_LINKS}=1 to follow such links"
        )
    return name


@lru_cache(maxsize=1000)
def folder_inside(folder: Path, part: str) -> bool:
    """Whether a folder by its relative name lies in `folder`, its links followed."""
    return is_inside(folder, folder / part)


def get_list(record: Any, key: str) -> list:
    """A list."""
    value = get(record, key)
    if type(value) is not list:
        raise FieldError(f"{key!r} must be a list, found {shown(value)}")
    return value


def get_box(record: Any, key: str = "bbox") -> np.ndarray:
    """x, y, width and height in px (4,) float64, the last two not below 0."""
    box = get_pixels(record, key, (4,))
    if box[2] < 0 or box[3] < 0:
        raise FieldError(f"{key!r} has a negative extent (width {box[2]:g}, height {box[3]:g})")
    return box


def get_pixels(record: Any, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """A (nested) list of finite numbers of plausible pixel size, as a float64 array of `shape`."""
    value = get(record, key)
    wanted = " x ".join(str(length) for length in shape)
    try:
        rows = value if len(shape) == 2 else [value]
        if not all({int, float}.issuperset(map(type, row)) for row in rows):
            raise TypeError
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise FieldError(f"{key!r} must be {wanted} numbers, found {shown(value)}") from None
    if array.shape != shape:
        found = " x ".join(str(length) for length in array.shape)
        raise FieldError(f"{key!r} must be {wanted} numbers, found {found}")
    magnitude = np.abs(array)
    if not magnitude.max() <= LARGEST_PIXEL:  # also where it is not a number
        culprit = array[~(magnitude <= LARGEST_PIXEL)][0]
        raise FieldError(f"{key!r} holds a value that is no pixel coordinate: {culprit}")
    return array
