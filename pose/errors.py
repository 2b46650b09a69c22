"""The errors that a user can cause; the command line turns each into one line."""

from __future__ import annotations

#: in what torch, its loader, ONNX Runtime and OpenVINO say; a shortage of Python's own is a MemoryError
_SHORTAGES = (
    "out of memory", "can't allocate memory", "Cannot allocate memory", "killed by signal: Bus error",
    "failed to map segment from shared object", "_STATUS_ALLOC_FAILED", "Failed to allocate",
)  # fmt: skip
_OPENVINOS_WHERE = ("Exception from", "Check '")  # lines of its errors that say where, and not what
LONGEST_REASON = 200  # of other libraries' words in a line of ours
#: behind the name of an operator
_UNDETERMINED = "does not have a deterministic implementation"


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, on the device or the machine."""
    if isinstance(error, (RuntimeError, OSError, ImportError)) and any(text in str(error) for text in _SHORTAGES):
        return True
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, which may not load


def first_line(error: BaseException) -> str:
    """What an error says first, or its kind where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(_OPENVINOS_WHERE)] or lines
    return said[0][:LONGEST_REASON] if said else type(error).__name__


def undetermined(error: BaseException) -> str | None:
    """The operator that has no deterministic algorithm, where that is what an error says."""
    text = str(error)
    return text.split(_UNDETERMINED)[0].strip() if _UNDETERMINED in text else None


def lost_loader(error: BaseException) -> str | None:
    """What became of a process that loads images, where that is what an error says. torch raises it in the main process
    wherever that happens to be."""
    text = " ".join(str(error).split())
    return text if text.startswith("DataLoader worker") else None


class InputError(Exception):
    """Something the user gave is wrong. The message says what, where, and what would be right (exit code 2)."""


class ProcessLost(Exception):
    """One of several processes that work together ended or hangs (exit code 1)."""


class NumericalError(Exception):
    """Training or evaluation produced NaN or infinity (exit code 1)."""
