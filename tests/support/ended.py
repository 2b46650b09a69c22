"""Whether processes have ended, also where nobody collects them."""

import time
from collections.abc import Iterable

import psutil


def all_ended(pids: Iterable[int], patience: float = 60) -> bool:
    """True as soon as none of the processes runs; False when one still does after `patience` seconds."""
    end = time.monotonic() + patience
    while any(map(_runs, pids)):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
