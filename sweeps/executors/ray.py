"""Runs tasks on a Ray cluster: a Ray task for each, which starts the same process as everywhere, a fresh one.

Nodes that see the sweep's folder work in it; with `shared_fs=no` a task is sent the files of its folder and what its
job names, and returns the files that its process left. Ray begins a task again whose node or worker is lost. It ends
only its own worker when a task is cancelled; that the cell's process, its child, ends with it, and gives its device
back, is the process's own doing (child.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...pose.errors import InputError
from ...pose.files import write_atomic
from .elsewhere import note, run_here, whole, yes
from .task import OnExit, OnMessage, Resources, Task

LOOK_SECONDS = 0.5
END_SECONDS = 10.0
#: what a job names that lies outside its folder, but for the data
_INPUTS = ("start", "backbone", "boxes")
_TASK, _RESULT = "config.json", "result.json"


class Mailbox:
    """What tasks tell the sweep on their way."""

    def __init__(self) -> None:
        self._letters: list[tuple[str, dict[str, Any]]] = []

    def put(self, name: str, message: dict[str, Any]) -> None:
        self._letters.append((name, message))

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        letters, self._letters = self._letters, []
        return letters


def work(task: Task, files: dict[str, bytes] | None, inputs: dict[str, Any], mailbox: Any) -> tuple[int, Any]:
    """What a node does: (exit code, files that the process left, or None where the folder is shared)."""
    import ray

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a Ray that looks after children itself would take their exit codes
    device = os.environ.get("CUDA_VISIBLE_DEVICES")
    where = " ".join(filter(None, (socket.gethostname(), task.cuda and device and f"cuda:{device}")))
    mailbox.put.remote(task.name, {"stage": "start", "where": where})

    def tell(message: dict[str, Any]) -> None:
        if message.get("stage") != "start":
            mailbox.put.remote(task.name, message)

    if files is None:
        return run_here(task, tell), None
    with tempfile.TemporaryDirectory(prefix="posebench-") as place:
        folder = Path(place, task.folder.name)
        _write(folder, files)
        job = json.loads((folder / _TASK).read_text())
        for name, value in inputs.items():
            if isinstance(value, ray.ObjectRef):
                file = Path(place, "inputs", f"{name}{Path(str(job[name])).suffix}")
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(ray.get(value))
                value = str(file)
            job[name] = value
        (folder / _TASK).write_text(json.dumps(job))
        code = run_here(replace(task, folder=folder), tell)
        return code, {name: content for name, content in _read(folder).items() if name != _TASK}


def run(tasks: Sequence[Task], resources: Resources, on_message: OnMessage, on_exit: OnExit) -> None:
    """See Executor."""
    options = dict(resources.options)
    ray, ours = _connect(options.get("address", "auto"))
    try:
        waiting = [replace(task, folder=task.folder.resolve()) for task in reversed(tasks)]
        for task in waiting:
            _check_room(ray, task, options)
        _run(ray, waiting, resources.jobs or len(waiting), options, on_message, on_exit)
    finally:
        if ours:
            ray.shutdown()


def _run(
    ray: Any, waiting: list[Task], jobs: int, options: dict[str, str], on_message: OnMessage, on_exit: OnExit
) -> None:
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), True)
    mailbox = ray.remote(num_cpus=0, max_restarts=-1)(Mailbox).options(scheduling_strategy=here).remote()
    running: dict[Any, Task] = {}
    sent: dict[str, Any] = {}

    def deliver() -> None:
        with contextlib.suppress(ray.exceptions.RayError):
            for name, message in ray.get(mailbox.take.remote(), timeout=END_SECONDS):
                on_message(name, message)

    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.pop()
                running[_submit(ray, task, options, mailbox, sent)] = task
            done, _ = ray.wait(list(running), num_returns=1, timeout=LOOK_SECONDS)
            deliver()
            for reference in done:
                task = running.pop(reference)
                on_exit(task.name, _outcome(ray, reference, task))
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=END_SECONDS)
        ray.kill(mailbox)


def _submit(ray: Any, task: Task, options: dict[str, str], mailbox: Any, sent: dict[str, Any]) -> Any:
    """Hand one task over. sent: what many tasks start from is sent once."""
    settings: dict[str, Any] = _needs(task, options)
    settings |= {"max_retries": whole(options, "retries", 3), "retry_exceptions": False}
    if task.alone:
        # All CPUs of the largest node that has what it needs: nothing else of Ray's runs beside it.
        node = max(_fitting(ray, task, options) or ray.nodes(), key=lambda node: node["Resources"].get("CPU", 0))
        affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        settings |= {"num_cpus": node["Resources"].get("CPU", 1), "scheduling_strategy": affinity}
    files: dict[str, bytes] | None = None
    inputs: dict[str, Any] = {}
    if not yes(options, "shared_fs", True):
        files = _read(task.folder)
        job = json.loads(files[_TASK])
        for name in _INPUTS:
            path = job.get(name)
            if path and (name != "boxes" or path != "gt"):
                if path not in sent:
                    sent[path] = ray.put(Path(path).read_bytes())
                inputs[name] = sent[path]
        if "data" in options and "data_root" in job:
            inputs["data_root"] = options["data"]
    return ray.remote(work).options(**settings).remote(task, files, inputs, mailbox)


def _outcome(ray: Any, reference: Any, task: Task) -> int:
    """The exit code of a task that has ended, whose files are then in its folder."""
    try:
        code, files = ray.get(reference)
    except (ray.exceptions.RayError, InputError) as error:
        note(task, f"Ray: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
        return 1
    for name in sorted(files or {}, key=lambda name: name == _RESULT):  # the result last: it says that all is there
        write_atomic(task.folder / name, files[name])
    return int(code)


def _connect(address: str) -> tuple[Any, bool]:
    """(ray, whether the connection is ours to end). InputError where there is no Ray or no cluster."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise InputError("--executor ray needs Ray: pip install 'posebench[ray]'") from None
    if ray.is_initialized():
        return ray, False
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"--executor-option address={address}: no Ray cluster there ({reason}); start one with 'ray start --head', "
            "or give address=local"
        ) from None
    return ray, True


def _needs(task: Task, options: dict[str, str]) -> dict[str, Any]:
    gpus = whole(options, "gpus", 1) if task.cuda or "gpus" in options else 0
    return {"num_cpus": whole(options, "cpus", task.threads, 1), "num_gpus": gpus}


def _fitting(ray: Any, task: Task, options: dict[str, str]) -> list[dict[str, Any]]:
    """The nodes that are large enough for a task."""
    needs = _needs(task, options)
    return [
        node
        for node in ray.nodes()
        if node["Alive"]
        and node["Resources"].get("CPU", 0) >= needs["num_cpus"]
        and node["Resources"].get("GPU", 0) >= needs["num_gpus"]
    ]


def _check_room(ray: Any, task: Task, options: dict[str, str]) -> None:
    """InputError for a task that no node could ever run: Ray would wait without a word."""
    if not yes(options, "wait", False) and not _fitting(ray, task, options):
        needs = _needs(task, options)
        raise InputError(
            f"--executor ray: no node has {needs['num_cpus']} CPUs and {needs['num_gpus']} GPUs, as a cell asks for; "
            "give --executor-option cpus=N, or wait=yes where such nodes are still to come"
        )


def _read(folder: Path) -> dict[str, bytes]:
    """The files of a task's folder by their paths in it; what another process is still writing is left out."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
