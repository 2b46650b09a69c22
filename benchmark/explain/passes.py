"""What a runtime's profiler says of a pass: the interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Executed:
    """One operator that ran. name: the runtime's own. part: of the model; None where its runtime cannot say."""

    name: str
    seconds: float
    part: str | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Pass:
    """The operators of one pass in the order in which they ran, kinds.BETWEEN among them for the time in which none
    did. mapped: the share of the time whose part the runtime's names tell; the rest stands where its neighbours do."""

    operators: tuple[Executed, ...]
    mapped: float = 1.0


class Profiled(Protocol):
    """A network whose passes a runtime's own profiler looks at."""

    def run(self) -> None:
        """One pass."""

    def passes(self, skip: int) -> list[Pass]:
        """All that were run but for the first `skip`, once they are over; or one that is their mean."""
