"""After a shortage of memory: one thing too big must not cost what was measured of the others."""

from __future__ import annotations


def shortage_text(error: BaseException) -> str:
    """One line of what torch says in many."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return f"out of memory: {said[0][:120]}"


def release() -> None:
    """Give back what torch's CUDA allocator keeps; where CUDA is not in use, nothing."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
