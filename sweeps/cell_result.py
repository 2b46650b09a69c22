"""What a cell came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..pose.errors import InputError
from ..pose.records import from_plain, to_plain
from ..row import STATUS_FAILED, STATUS_OK
from .store import read_result, write_json


@dataclass(frozen=True)
class CellResult:
    """What the worker of a cell or base model leaves: columns of a row (see row.py), and seconds by part of its work.

    error: one line where it failed; wrong_input: through what the user gave; shortage: the part of its work for which
    memory did not suffice.
    """

    counts: dict[str, Any] = field(default_factory=dict)
    accuracy: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    error: str = ""
    wrong_input: bool = False
    shortage: str = ""

    @property
    def status(self) -> str:
        return STATUS_FAILED if self.error else STATUS_OK

    @property
    def columns(self) -> dict[str, Any]:
        """Everything measured, by column."""
        return {**self.counts, **self.training, **self.accuracy, **self.conditions}


def write_cell_result(folder: Path, result: CellResult) -> None:
    write_json(folder / "result.json", {"status": result.status} | to_plain(result))


def read_cell_result(folder: Path) -> CellResult | None:
    """What a worker left, failures included; None where it has not ended. InputError for a broken one."""
    content = read_result(folder)
    if content is None:
        return None
    file = folder / "result.json"
    status = content.pop("status")
    try:
        result: CellResult = from_plain(CellResult, content, str(file), older=True)
    except InputError as error:
        raise InputError(f"{error}; delete it, and it is done again") from None
    if result.status != status:
        raise InputError(f"{file}: says {status} and {result.error!r}; delete it, and it is done again")
    return result
