"""Worker processes: started, listened to, and ended; knows nothing of what they compute."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """One process: `python -m <module> <arguments>`; its standard error is appended to `log`."""

    name: str
    module: str
    arguments: tuple[str, ...]
    log: Path
    threads: int
    environment: dict[str, str] = field(default_factory=dict)


def run_tasks(
    tasks: Sequence[Task],
    jobs: int,
    on_message: Callable[[str, dict[str, Any]], None],
    on_exit: Callable[[str, int], None],
) -> None:
    """Run all tasks, at most `jobs` at a time, in order. Calls back in this thread: `on_message(name, message)` for
    each JSON line of a process, then `on_exit(name, return code)`.

    On any exception, KeyboardInterrupt included, all processes are ended before it goes on.
    """
    waiting = list(tasks)
    running: dict[str, subprocess.Popen] = {}
    lines: queue.Queue[tuple[str, str | None]] = queue.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.pop(0)
                running[task.name] = _start(task, lines)
            name, line = lines.get()
            if line is not None:
                with contextlib.suppress(json.JSONDecodeError):
                    on_message(name, json.loads(line))
                continue
            process = running.pop(name)
            code = process.wait()
            process.stdin.close()
            on_exit(name, code)
    finally:
        _end(list(running.values()))


def _start(task: Task, lines: queue.Queue[tuple[str, str | None]]) -> subprocess.Popen:
    threads = str(task.threads)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"}
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with open(task.log, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", task.module, *task.arguments],
            stdin=subprocess.PIPE,  # its end tells the process that we are gone
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment | task.environment,
            start_new_session=True,  # a Ctrl-C in the terminal reaches us alone
        )

    def listen() -> None:
        with process.stdout as stream:
            for line in stream:
                lines.put((task.name, line.decode("utf-8", "replace")))
        lines.put((task.name, None))

    threading.Thread(target=listen, daemon=True).start()
    return process


def _end(processes: list[subprocess.Popen]) -> None:
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
