"""Was there too little memory? One thing too big must not cost what was measured of the others."""

from __future__ import annotations

#: in what torch and its loader say; a shortage of Python's own is a MemoryError
SAID = ("out of memory", "can't allocate memory", "Cannot allocate memory", "killed by signal: Bus error")


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, on the device or the machine."""
    import torch

    told = isinstance(error, (RuntimeError, OSError)) and any(text in str(error) for text in SAID)
    return told or isinstance(error, (MemoryError, torch.OutOfMemoryError))


def shortage_text(error: BaseException) -> str:
    """One line of what torch says in many."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return f"out of memory: {said[0][:120]}"


def release() -> None:
    """Give back what torch's CUDA allocator keeps; where CUDA is not in use, nothing."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
