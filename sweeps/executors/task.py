"""What an executor is given: pieces of work, and what they may take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: of one line that a process writes: its task's name, and {"stage": "start" | ..., "done", "total", "info"}
OnMessage = Callable[[str, dict[str, Any]], None]
#: of the end of a process: its task's name, and its exit code (negative: the signal that ended it)
OnExit = Callable[[str, int], None]


@dataclass(frozen=True)
class Task:
    """One cell, base model or measurement: the same process whatever runs it.

    `python -m <module> <folder> --child` reads config.json in the folder, writes JSON lines on its standard output,
    leaves result.json (a failure, too), and ends when its standard input does. What it has written before it goes on
    from, so that it may be run again anywhere. threads: CPU threads that it computes with. cuda: it needs one CUDA
    device, which it knows as "cuda:0". alone: it measures time, so that nothing else may run on its machine meanwhile.
    preload: modules that take long to import; a process that has them may fork for the task.
    """

    name: str
    module: str
    folder: Path
    threads: int = 1
    cuda: bool = False
    alone: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", self.module, str(self.folder), "--child"]

    @property
    def log(self) -> Path:
        """Where its standard error is appended to."""
        return self.folder / "log.txt"

    @property
    def variables(self) -> dict[str, str]:
        """What its environment has beside what is there already."""
        threads = str(self.threads)
        own = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"}
        return own | dict(self.environment)


@dataclass(frozen=True)
class Resources:
    """What the tasks of a sweep may take. jobs: at most so many at once, None: as many as there is room for. devices:
    CUDA devices of this machine by number, None: all that are visible. root: the sweep's folder. options: the
    executor's own, of the names that its descriptor lists."""

    root: Path
    jobs: int | None = None
    devices: tuple[int, ...] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
