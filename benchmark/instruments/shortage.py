"""After a shortage of memory: one thing too big must not cost what was measured of the others."""

from __future__ import annotations

from ...pose.errors import first_line


def shortage_text(error: BaseException) -> str:
    """One line of what torch says in many."""
    return f"out of memory: {first_line(error)[:120]}"


def release() -> None:
    """Give back what torch's CUDA allocator keeps; where CUDA is not in use, nothing."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
