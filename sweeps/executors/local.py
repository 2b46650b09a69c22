"""Runs tasks as processes of this machine: one at a time on each CUDA device, and as many on the CPU as it has cores
for."""

from __future__ import annotations

import contextlib
import json
import queue
from collections.abc import Sequence

from .leases import Lease, Leases
from .processes import Line, Process, end_all, start
from .task import OnExit, OnMessage, Resources, Task


def run(tasks: Sequence[Task], resources: Resources, on_message: OnMessage, on_exit: OnExit) -> None:
    """See Executor."""
    leases = Leases.of_machine(tasks, resources)
    waiting = list(reversed(tasks))
    running: dict[str, tuple[Process, Lease]] = {}
    lines: queue.Queue[Line] = queue.Queue()
    try:
        while waiting or running:
            while waiting and (lease := leases.take(waiting[-1])) is not None:
                task = waiting.pop()
                running[task.name] = start(task, lines, lease.environment), lease
                if lease.where:
                    on_message(task.name, {"stage": "start", "where": lease.where})
            name, line = lines.get()
            if line is not None:
                with contextlib.suppress(json.JSONDecodeError):
                    on_message(name, json.loads(line))
                continue
            process, lease = running.pop(name)
            code = process.wait()
            process.stdin.close()
            leases.give_back(lease)
            on_exit(name, code)
    finally:
        end_all([process for process, _ in running.values()])
