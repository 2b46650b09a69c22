"""Runs tasks as jobs of a SLURM cluster, through submitit: what is to be done is one array job.

The sweep's folder lies where all nodes see it. Results are taken from the tasks' folders and not from submitit, whose
own collection ends at the first job that failed. Submitting again is the retry: it takes what has no result yet, which
goes on from its checkpoint. At the end of its walltime, or when it is preempted, a job is put in the queue again.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...pose.errors import InputError
from ...pose.files import write_atomic
from .elsewhere import Follower, note, run_here, whole
from .task import OnExit, OnMessage, Resources, Task

LOOK_SECONDS = 1.0
ASK_SECONDS = 15.0  # between questions to the scheduler
APPEAR_SECONDS = 60.0  # that a file may take until it is seen from another machine
#: in these a job may still leave a result
_LIVE = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "RESIZING",
         "SIGNALING", "STAGE_OUT", "STOPPED", "REQUEUE_FED", "SPECIAL_EXIT"}  # fmt: skip


class CellJob:
    """What a node is given to do. submitit calls `checkpoint` before the walltime ends, and puts what that returns in
    the queue again."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self) -> int:
        return run_here(self.task, deaf_to=signal.SIGUSR2)

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(CellJob(self.task))


def run(tasks: Sequence[Task], resources: Resources, on_message: OnMessage, on_exit: OnExit) -> None:
    """See Executor."""
    options = dict(resources.options)
    cluster = options.get("cluster", "slurm")
    if cluster not in ("slurm", "local"):
        raise InputError(f"--executor-option cluster={cluster}: give slurm or local")
    folder = resources.root.resolve() / "slurm"
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "jobs.json"
    tasks = [replace(task, folder=task.folder.resolve()) for task in tasks]
    if cluster == "slurm" and not _cancel(former := _recorded(record)):  # of a sweep that was killed
        raise InputError(
            "--executor slurm: SLURM does not say that jobs of an earlier run have ended "
            f"({', '.join(former[:3])}), and two must not work in one folder; see squeue and scancel, then run the "
            "same command again"
        )
    follower = Follower(tasks, on_message)
    jobs: dict[str, Any] = {}
    try:
        for alone in (False, True):
            group = [task for task in tasks if task.alone == alone]
            if group:
                found = _submit(_engine(cluster, folder, group, resources, options), group)
                jobs |= dict(zip((task.name for task in group), found, strict=True))
                write_atomic(record, json.dumps([job.job_id for job in jobs.values()]))
        _collect({task.name: task for task in tasks}, jobs, cluster, follower, on_exit)
    finally:
        if cluster == "local":
            _end_local(list(jobs.values()))
        if cluster == "local" or _cancel([job.job_id for job in jobs.values()]):
            record.unlink(missing_ok=True)


def _engine(cluster: str, folder: Path, tasks: list[Task], resources: Resources, options: dict[str, str]) -> Any:
    """submitit's executor for tasks that need the same. InputError where submitit or SLURM is not there."""
    try:
        import submitit
    except ImportError:
        raise InputError("--executor slurm needs submitit: pip install 'posebench[slurm]'") from None
    minutes = _minutes(options.get("time", "4:00:00"))
    requeues = whole(options, "requeues", 100)
    setup = [options["setup"]] if "setup" in options else []
    gpus = options.get("gpus", "1" if tasks[0].cuda else "0")
    if not re.fullmatch(r"([\w.-]+:)?\d{1,6}", gpus):
        raise InputError(f"--executor-option gpus={gpus[:40]}: give a number, or TYPE:NUMBER")
    # Numbers of devices follow the tasks' order there: a job's only device is number 0 to it.
    if cluster == "local":
        engine = submitit.LocalExecutor(folder, max_num_timeout=requeues)
        engine.update_parameters(timeout_min=minutes, setup=setup, gpus_per_node=int(gpus.rpartition(":")[2]))
        return engine
    try:
        engine = submitit.SlurmExecutor(folder, max_num_timeout=requeues)
    except RuntimeError:
        raise InputError("--executor slurm: there is no srun here; start the sweep where jobs are submitted") from None
    named = {name: options[name] for name in ("partition", "account", "qos", "constraint", "mem") if name in options}
    if gpus != "0":
        named |= {"gpus_per_node": int(gpus)} if gpus.isdecimal() else {"gres": f"gpu:{gpus}"}
    if tasks[0].alone:
        named["exclusive"] = True
    engine.update_parameters(
        job_name=f"posebench {resources.root.name}",
        time=minutes,
        signal_delay_s=min(90, 20 * minutes),
        cpus_per_task=whole(options, "cpus", max(task.threads for task in tasks), 1),
        array_parallelism=resources.jobs or len(tasks),
        setup=setup or None,
        additional_parameters=_pairs(options.get("sbatch", "")),
        **named,
    )
    return engine


def _submit(engine: Any, tasks: list[Task]) -> list[Any]:
    from submitit.core.utils import FailedJobError

    try:
        return engine.submit_array(list(map(CellJob, tasks)))
    except FailedJobError as error:  # sbatch said why: an unknown partition, say
        raise InputError(f"--executor slurm: {' '.join(str(error).split())}") from None


def _minutes(text: str) -> int:
    """Of a walltime as sbatch has it: minutes, M:SS, H:MM:SS, D-HH[:MM[:SS]]; at least one."""
    match = re.fullmatch(r"(?:(\d{1,6})-)?(\d{1,6})(?::(\d{1,6}))?(?::(\d{1,6}))?", text.strip())
    if not match:
        raise InputError(f"--executor-option time={text[:40]}: give minutes, H:MM:SS or D-HH:MM:SS")
    days, *parts = match.groups()
    given = [int(part) for part in parts if part is not None]
    if days is not None or len(given) == 3:
        hours, minutes, seconds = [*given, 0, 0][:3]
    else:
        hours, minutes, seconds = 0, given[0], [*given, 0][1]
    return max(1, round((int(days or 0) * 24 + hours) * 60 + minutes + seconds / 60))


def _pairs(text: str) -> dict[str, str | bool]:
    """ "a=1;b" as options of sbatch."""
    pairs: dict[str, str | bool] = {}
    for part in filter(None, (part.strip().removeprefix("--") for part in text.split(";"))):
        name, equals, value = part.partition("=")
        pairs[name] = value if equals else True
    return pairs


def _collect(tasks: dict[str, Task], jobs: dict[str, Any], cluster: str, follower: Follower, on_exit: OnExit) -> None:
    """Look after every job until it has ended, each by itself."""
    open_jobs, asked, states = dict(jobs), 0.0, {}
    missing: dict[str, float] = {}
    while open_jobs:
        follower.look(open_jobs)
        if cluster == "slurm" and time.monotonic() - asked > ASK_SECONDS:
            states, asked = _states([job.job_id for job in open_jobs.values()]), time.monotonic()
        for name, job in list(open_jobs.items()):
            if job.paths.result_pickle.exists():
                code = _code(job, tasks[name])
            elif cluster == "local" and job.done():
                note(tasks[name], "submitit: the job ended without a result")
                code = 1
            elif cluster == "slurm" and states is not None and states.get(job.job_id, "gone") not in _LIVE:
                # Its last file may not be seen here yet.
                if time.monotonic() - missing.setdefault(name, time.monotonic()) < APPEAR_SECONDS:
                    continue
                note(tasks[name], f"SLURM: job {job.job_id} ended without a result ({states.get(job.job_id, 'gone')})")
                code = 1
            else:
                missing.pop(name, None)
                continue
            del open_jobs[name]
            _wait_for(tasks[name].folder / "result.json")
            on_exit(name, code)
        time.sleep(LOOK_SECONDS)


def _code(job: Any, task: Task) -> int:
    """The exit code of a job's process."""
    try:
        return int(job.result())
    except Exception as error:  # whatever a job of submitit died of; it is told with the task
        note(task, f"submitit: {(str(error).splitlines() or [type(error).__name__])[-1]}")
        return 1


def _wait_for(file: Path) -> None:
    """A moment, for a shared folder that shows late what another machine wrote."""
    end = time.monotonic() + 5
    while not file.exists() and time.monotonic() < end:
        with contextlib.suppress(OSError):
            list(file.parent.iterdir())
        time.sleep(0.5)


def _states(ids: Iterable[str]) -> dict[str, str] | None:
    """State by job, of those that SLURM still knows; None where it does not answer."""
    arrays = sorted({job.partition("_")[0] for job in ids})
    if not arrays:
        return {}
    found: dict[str, str] = {}
    for array in arrays:  # one by one: for one that is not known any more squeue fails
        command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T", f"--jobs={array}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            return None
        if done.returncode and "Invalid job id" not in done.stderr:
            return None
        found |= dict(line.strip().split("|", 1) for line in done.stdout.splitlines() if "|" in line)
    return found


def _recorded(record: Path) -> list[str]:
    try:
        return [str(job) for job in json.loads(record.read_text())]
    except (OSError, ValueError):
        return []


def _cancel(ids: Sequence[str]) -> bool:
    """End jobs, and wait a while until SLURM says so; whether it did. Without SLURM here it is not asked."""
    arrays = sorted({job.partition("_")[0] for job in ids if re.fullmatch(r"\d+(_\d+)?", job)})
    if not arrays or not shutil.which("scancel"):
        return True
    end = time.monotonic() + APPEAR_SECONDS
    cancelled = False
    while live := _any_live(arrays):
        if not cancelled:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(["scancel", *arrays], capture_output=True, timeout=60)
            cancelled = True
        if time.monotonic() >= end:
            break
        time.sleep(LOOK_SECONDS)
    return not live


def _any_live(arrays: list[str]) -> bool:
    """Whether one of the jobs waits or runs; where SLURM does not answer, that is not ruled out."""
    states = _states(arrays)
    return states is None or any(state in _LIVE for state in states.values())


def _end_local(jobs: list[Any]) -> None:
    for job in jobs:
        if not job.done():
            job.cancel()
    end = time.monotonic() + APPEAR_SECONDS
    while any(not job.done() for job in jobs) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
