"""The C allocator's thresholds: at its defaults glibc gives big blocks back to the kernel after every operator.

Each call of a network then pays again for the page faults of the same buffers: einsum-softmax attention at batch 1 was
seen to take 79 ms so and 44 ms without, and a saving measured against the former is overstated. What was set is a
condition of the measurement and is recorded with it.
"""

from __future__ import annotations

import ctypes
import os
import platform

# malloc.h of glibc: parameters of mallopt(3)
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4

_KEEP_FREE_BYTES = 2**31 - 1  # mallopt takes an int
_state: str | None = None


def keep_freed_memory() -> str:
    """Make glibc keep freed blocks for reuse instead of returning them to the kernel; say what was done.

    No block is mapped on its own any more (M_MMAP_MAX 0: M_MMAP_THRESHOLD alone ends at 32 MiB) and the heap is not
    trimmed below 2 GiB of free space. The faults are gone after the first calls, when the heap has grown to what they
    need; resident memory is higher then, so look for its peak elsewhere. For the rest of the process: glibc offers no
    way to ask for the old values. Does nothing where the C library is not glibc. Idempotent.
    """
    global _state
    if _state is None:
        _state = _raise_thresholds()
    return _state


def allocator() -> str:
    """One line on the allocator as it stands in this process, for the record."""
    return _state or f"{_library()}, default thresholds"


def _library() -> str:
    name, version = platform.libc_ver()
    preload = [os.path.basename(part) for part in os.environ.get("LD_PRELOAD", "").replace(":", " ").split()]
    return " ".join([name or platform.system(), version, *(f"with {part}" for part in preload)]).strip()


def _raise_thresholds() -> str:
    if platform.libc_ver()[0] != "glibc":
        return f"{_library()}, default thresholds"
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return f"{_library()}, default thresholds"
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    settings = {
        "M_MMAP_THRESHOLD": (_M_MMAP_THRESHOLD, 32 * 2**20),
        "M_MMAP_MAX": (_M_MMAP_MAX, 0),
        "M_TRIM_THRESHOLD": (_M_TRIM_THRESHOLD, _KEEP_FREE_BYTES),
    }
    done = [f"{name}={value}" for name, (key, value) in settings.items() if mallopt(key, value) == 1]
    return f"{_library()}, {' '.join(done) or 'default thresholds'}"
