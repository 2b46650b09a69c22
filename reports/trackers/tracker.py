"""What posebench knows of a tracker without importing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...pose.plugins import load_object

Scalars = Mapping[str, float]


class Run(Protocol):
    """One training, or one row of a sweep, in a tracker."""

    def log(self, values: Scalars, step: int | None = None) -> None:
        """Scalars by name, at a training step (None: they stand for the whole)."""

    def finish(self) -> None:
        """Nothing more comes."""


@dataclass(frozen=True)
class Tracker:
    """work: `open_run(name, params, where, folder)`, or where it lies ("package.module:name"); it returns a Run.

    name: the run's; params: its configuration as plain values; where: what the user wrote behind the tracker's name and
    a colon, "" for its default; folder: the run's own, for a tracker that writes files. needs: the package to install.
    """

    name: str
    work: Callable[..., Run] | str
    about: str = ""
    needs: str = ""

    @property
    def open_run(self) -> Callable[[str, Mapping[str, Any], str, Path], Run]:
        return load_object(self.work) if isinstance(self.work, str) else self.work
