"""What a running sweep tells whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """One piece of news. `name` is a cell's or base model's key, or "timing <key>", "pictures", "equal_gflopst",
    "report".

    kind: "plan" (info: plan, root, finished), "start" (where: a device, a machine), "progress" (stage, done, total,
    info), "done" (info: the row), "failed" (info: error), "retry" (with less memory; info: error) or "skipped"
    (it was done in an earlier run; info: the row).
    """

    kind: str
    name: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    info: dict[str, Any] = field(default_factory=dict)
    where: str = ""


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener for whom no news is good news."""
