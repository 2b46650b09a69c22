"""Subjects measured together: those that find memory are timed and their energy is taken, the others have an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from ...pose.errors import is_shortage
from ...row import STATUS_FAILED
from ..instruments.device import torch_threads
from ..instruments.energy import Counter, CounterLost, measure_energy
from ..instruments.flush import l2_flush
from ..instruments.shortage import shortage_text
from ..instruments.timing import Row, Subject, that_fit, time_together


def measure_subjects(
    subjects: Mapping[Any, Subject],
    batch_size: int,
    *,
    device: torch.device,
    threads: int | None = None,
    counter: Counter | None = None,
    progress: Callable[..., object] | None = None,
    **how: Any,
) -> dict[Any, Row]:
    """The latency columns of all subjects, timed interleaved, and with a `counter` their energy, behind the times.

    `how`: see time_together. Where memory does not suffice for one, its row has the status failed and the reason, and
    the others stand; where it fails while all are timed, that is the row of each.
    """
    with torch_threads(threads):
        fit, too_big = that_fit(subjects)
    failed = {key: _failed(reason) for key, reason in too_big.items()}
    report = progress and partial(progress, stage="latency")
    how |= {"device": device, "threads": threads, "progress": report}
    try:
        timed = time_together(fit, batch_size, flush=l2_flush(device), **how)
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        return failed | dict.fromkeys(fit, _failed(shortage_text(error)))
    if counter is not None:
        with torch_threads(threads):
            energies = _energies(fit, batch_size, counter, device, progress and partial(progress, stage="energy"))
        timed = {key: row | energies[key] for key, row in timed.items()}
    return timed | failed


def synchronise(device: torch.device) -> None:
    """Wait for what a CUDA device was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _energies(
    subjects: Mapping[Any, Subject],
    batch_size: int,
    counter: Counter,
    device: torch.device,
    progress: Callable[..., object] | None,
) -> dict[Any, Row]:
    """The energy columns of each, or why they were not measured: the times before stand."""
    calls = {key: subject.whole for key, subject in subjects.items()}
    try:
        found = measure_energy(calls, batch_size, counter, synchronise=partial(synchronise, device), progress=progress)
    except CounterLost as error:
        reason = str(error)
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        reason = shortage_text(error)
    else:
        return {key: energy.columns(found.get(subjects[key].baseline)) for key, energy in found.items()}
    return {key: {"error": f"energy was not measured: {reason}"} for key in subjects}


def _failed(reason: str) -> Row:
    return {"status": STATUS_FAILED, "error": reason}
