"""Runs tasks as processes of this machine: one at a time on each CUDA device, and as many on the CPU as it has cores
for."""

from __future__ import annotations

import queue
from collections.abc import Sequence

from .leases import Lease, Leases
from .processes import Worker, end_all, message_of
from .task import OnExit, OnMessage, Resources, Task


def run(tasks: Sequence[Task], resources: Resources, on_message: OnMessage, on_exit: OnExit) -> None:
    """See Executor."""
    leases = Leases.of_machine(tasks, resources)
    waiting = list(reversed(tasks))
    running: dict[Worker, Lease] = {}
    idle: list[Worker] = []
    lines: queue.Queue[tuple[Worker, bytes | None]] = queue.Queue()
    try:
        while waiting or running:
            while waiting and (lease := leases.take(waiting[-1])) is not None:
                task = waiting.pop()
                worker = _worker(task, lease, idle, lines)
                running[worker] = lease
                on_message(task.name, {"stage": "start", "where": lease.where})
            if not running:
                raise RuntimeError(f"{waiting[-1].name}: this machine has nothing left to run it on")
            worker, line = lines.get()
            if worker not in running:  # an idle one has ended
                continue
            message = {} if line is None else message_of(line)
            if line is not None and "exit" not in message:
                if message:
                    on_message(worker.task.name, message)
                continue
            leases.give_back(running.pop(worker))
            code = worker.wait() if line is None else message["exit"]
            if line is not None:
                idle.append(worker)
            on_exit(worker.task.name, code)
    finally:
        end_all([*running, *idle])


def _worker(task: Task, lease: Lease, idle: list[Worker], lines: queue.Queue[tuple[Worker, bytes | None]]) -> Worker:
    """One that waits for such a task, or a new one, for which those that wait in vain make room."""
    for worker in idle:
        if worker.can_run(task, lease.environment):
            idle.remove(worker)
            worker.begin(task)
            return worker
    end_all(idle)
    idle.clear()
    return Worker(task, lease.environment, lines)
