"""Worker processes: started, listened to, and ended; knows nothing of what they compute."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .task import Task

GRACE_SECONDS = 5.0
TAIL = 2**16  # bytes of a log in which its last line is looked for
NURSERY = "posebench.sweeps.executors.nursery"


class Worker:
    """A process that runs a task, or, where tasks may be forked, one after another of the same kind.

    What it writes goes into a queue: (the worker, a line); None for a line when it has ended.
    """

    def __init__(self, task: Task, environment: Mapping[str, str], lines: queue.Queue[tuple[Worker, bytes | None]]):
        """Starts the process, which has nothing to do yet if it is `lasting`. environment: beside the task's own."""
        self.task = task
        self.lasting = can_fork(task)
        self._kind = _kind(task, environment)
        task.log.parent.mkdir(parents=True, exist_ok=True)
        forking = [sys.executable, "-m", NURSERY, task.module, *task.preload]
        with open(task.log, "ab") as log:
            self.process = subprocess.Popen(
                forking if self.lasting else task.command,
                stdin=subprocess.PIPE,  # its end tells the process that we are gone
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | task.variables | dict(environment),
                start_new_session=True,  # a Ctrl-C in the terminal reaches us alone
            )

        def listen() -> None:
            with self.process.stdout as stream:
                for line in stream:
                    lines.put((self, line))
            lines.put((self, None))

        self.listener = threading.Thread(target=listen, daemon=True)
        self.listener.start()
        self.begin(task)

    def can_run(self, task: Task, environment: Mapping[str, str]) -> bool:
        return self.lasting and self._kind == _kind(task, environment) and self.process.poll() is None

    def begin(self, task: Task) -> None:
        """Have a lasting worker fork for a task."""
        self.task = task
        if self.lasting:
            task.folder.mkdir(parents=True, exist_ok=True)
            line = json.dumps({"folder": str(task.folder), "log": str(task.log)}) + "\n"
            with contextlib.suppress(BrokenPipeError):  # it has died: the end of its output tells
                self.process.stdin.write(line.encode())
                self.process.stdin.flush()

    def wait(self) -> int:
        """The exit code of a process whose output has ended."""
        code = self.process.wait()
        self.close()
        return code

    def close(self) -> None:
        """Tell a worker that it is not needed any more."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


def can_fork(task: Task) -> bool:
    """Whether a process that has imported what the task needs may fork for it. CUDA does not outlive a fork."""
    return bool(task.preload) and not task.cuda and sys.platform == "linux"


def _kind(task: Task, environment: Mapping[str, str]) -> tuple[Any, ...]:
    return task.module, task.preload, task.variables | dict(environment)


def message_of(line: bytes) -> dict[str, Any]:
    """What a line of a process says; nothing where it is no JSON object."""
    with contextlib.suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict):
            return message
    return {}


def end_all(workers: Iterable[Worker]) -> None:
    """SIGTERM, a little time, SIGKILL. A second Ctrl-C during the wait goes straight to SIGKILL."""
    workers = list(workers)
    processes = [worker.process for worker in workers]
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
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
    for worker in workers:
        worker.listener.join(GRACE_SECONDS)  # a forked process holds the same output, until it has gone, too


def last_line(log: Path) -> str:
    """The last non-empty line of a log, which for a Python error is the error itself; "" where there is none."""
    if not log.is_file():
        return ""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read(TAIL).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
