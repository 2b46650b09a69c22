"""Worker processes: started, listened to, and ended; knows nothing of what they compute."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from .task import Task

GRACE_SECONDS = 5.0
Process = subprocess.Popen
#: a task's name and what its process wrote; None: its standard output has ended
Line = tuple[str, str | None]


def start(task: Task, lines: queue.Queue[Line], environment: Mapping[str, str]) -> Process:
    """Start a task's process, whose lines go into the queue. environment: beside what the task itself asks for."""
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with open(task.log, "ab") as log:
        process = subprocess.Popen(
            task.command,
            stdin=subprocess.PIPE,  # its end tells the process that we are gone
            stdout=subprocess.PIPE,
            stderr=log,
            env=os.environ | task.variables | dict(environment),
            start_new_session=True,  # a Ctrl-C in the terminal reaches us alone
        )

    def listen() -> None:
        with process.stdout as stream:
            for line in stream:
                lines.put((task.name, line.decode("utf-8", "replace")))
        lines.put((task.name, None))

    threading.Thread(target=listen, daemon=True).start()
    return process


def end_all(processes: list[Process]) -> None:
    """SIGTERM, a little time, SIGKILL. A second Ctrl-C during the wait goes straight to SIGKILL."""
    for process in processes:
        process.terminate()
    try:
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdin.close()


def last_line(log: Path) -> str:
    """The last non-empty line of a log, which for a Python error is the error itself; "" where there is none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
