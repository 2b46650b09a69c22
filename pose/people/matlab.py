"""MATLAB files, read so that a small one cannot stand for a huge one."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import read_regular

LARGEST_FILE = 2**28  # bytes
MOST_NUMBERS = 10**8  # of one array


def read_matlab(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The arrays called `names`, those that are there. InputError naming the file where it is none of MATLAB's, or
    states an array of more numbers than any evaluation has."""
    from scipy.io import loadmat, whosmat

    try:
        content = read_regular(path, LARGEST_FILE)
        for name, shape, _ in whosmat(io.BytesIO(content)):
            if name in names and math.prod(shape) > MOST_NUMBERS:
                raise InputError(f"{path}: states {name!r} as {shape}; an array may have {MOST_NUMBERS:,} numbers")
        return loadmat(io.BytesIO(content), variable_names=names)
    except InputError:
        raise
    except Exception as error:  # scipy raises a dozen kinds for a broken file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not a readable MATLAB file ({reason})") from None
