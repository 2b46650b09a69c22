"""After a shortage of memory: one thing too big must not cost what was measured of the others."""

from __future__ import annotations


def shortage_text(error: BaseException) -> str:
    """One line of what torch says in many."""
    return f"out of memory: {first_line(error)[:120]}"


def first_line(error: BaseException) -> str:
    """What an error says first, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def release() -> None:
    """Give back what torch's CUDA allocator keeps; where CUDA is not in use, nothing."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
