"""Reading a safetensors file: eight bytes of length, a JSON header (name: dtype, shape, bytes from and to), the bytes.

The format is Hugging Face's (huggingface/safetensors, "Format"). Nothing in a file is run.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors by name; InputError for a file that is damaged or holds a type that is not known here."""
    size = path.stat().st_size
    content = np.memmap(path, np.uint8, mode="r") if size else np.zeros(0, np.uint8)
    length = int.from_bytes(content[:8].tobytes(), "little")
    if size < 8 or length > size - 8:
        raise InputError(f"{path}: not a readable safetensors file (its header is longer than the file)")
    try:
        header = json.loads(content[8 : 8 + length].tobytes())
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return {name: _tensor(content[8 + length :], entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error) if isinstance(error, _BrokenEntryError) else "its header is no table of tensors"
        raise InputError(f"{path}: not a readable safetensors file ({reason})") from None


class _BrokenEntryError(ValueError):
    pass


def _tensor(data: np.ndarray, entry: dict[str, Any]) -> torch.Tensor:
    if entry["dtype"] not in _DTYPES:
        raise _BrokenEntryError(f"type {entry['dtype']!r}; known are {', '.join(_DTYPES)}")
    dtype, shape, (start, stop) = _DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
    whole = all(isinstance(number, int) and number >= 0 for number in (*shape, start, stop))
    if not whole or stop > len(data) or stop - start != prod(shape) * dtype.itemsize:
        raise _BrokenEntryError(f"a tensor of shape {shape} at bytes {start} to {stop}")
    if start == stop:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(np.array(data[start:stop])).view(dtype).reshape(shape)
