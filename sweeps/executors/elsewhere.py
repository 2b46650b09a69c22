"""What executors of many machines share: a task's process beside the one that an engine started, and news of it."""

from __future__ import annotations

import queue
import re
import signal
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ...pose.errors import InputError
from .presence import WORKER, Owner, read_owner
from .processes import Worker, end_all, message_of
from .task import OnMessage, Task


def run_here(
    task: Task, on_message: Callable[[dict[str, Any]], None] | None = None, deaf_to: signal.Signals | None = None
) -> int:
    """Run a task's process on the machine where this is called, and return its exit code. On any exception the process
    is ended first; if this process is killed, it ends with it.

    deaf_to: a signal that an engine sends to all processes and that is meant for this one. What is ignored when a
    process starts stays so in it.
    """
    lines: queue.Queue[tuple[Worker, bytes | None]] = queue.Queue()
    former = signal.signal(deaf_to, signal.SIG_IGN) if deaf_to else None
    worker = Worker(replace(task, preload=()), {}, lines)
    if deaf_to:
        signal.signal(deaf_to, former)
    try:
        while (line := lines.get()[1]) is not None:
            message = message_of(line)
            if message and on_message:
                on_message(message)
        return worker.wait()
    finally:
        end_all([worker])


class Follower:
    """News of tasks that run on other machines, from the files that their processes keep in the shared folder."""

    def __init__(self, tasks: Iterable[Task], on_message: OnMessage) -> None:
        self._files = {task.name: task.folder / WORKER for task in tasks}
        self._seen: dict[str, Owner | None] = {name: read_owner(file) for name, file in self._files.items()}
        self._on_message = on_message

    def look(self, names: Iterable[str]) -> None:
        """Tell what is new of these tasks."""
        for name in names:
            owner, before = read_owner(self._files[name]), self._seen[name]
            if owner is None or owner == before or owner.ended is not None:
                continue
            self._seen[name] = owner
            if before is None or (owner.host, owner.pid) != (before.host, before.pid):
                where = " ".join(filter(None, (owner.host, owner.device, owner.job)))
                self._on_message(name, {"stage": "start", "where": where})
            elif owner.total:
                self._on_message(name, {"stage": owner.stage, "done": owner.done, "total": owner.total, "info": {}})


def note(task: Task, line: str) -> None:
    """Add a line to a task's log, whose last line says why a task without a result ended."""
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with open(task.log, "a", encoding="utf-8") as log:
        log.write(f"{' '.join(line.split())}\n")


def whole(options: dict[str, str], name: str, default: int | None, least: int = 0) -> int | None:
    """An option that is a whole number."""
    text = options.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise InputError(f"--executor-option {name}={text[:40]}: give a whole number from {least} on")
    return int(text)


def yes(options: dict[str, str], name: str, default: bool) -> bool:
    """An option that is yes or no."""
    text = options.get(name, "yes" if default else "no").lower()
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text not in known:
        raise InputError(f"--executor-option {name}={text}: give yes or no")
    return known[text]
