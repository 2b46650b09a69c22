"""Who works in a folder, on which machine, since when, and whether it still does.

A worker keeps worker.json in its cell's folder, the sweep keeps run.json in its own. Both can be read from any machine
that sees the folder; nobody but their owner writes them, and no result is taken from them.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from ...pose.errors import InputError
from ...pose.files import read_text
from ...pose.records import from_plain, to_plain

WORKER, RUN = "worker.json", "run.json"
BEAT_SECONDS = 10.0
#: without a sign for so long a process on another machine counts as gone; clocks of the machines may differ by less
SILENT_SECONDS = 120.0
WRITE_EVERY_SECONDS = 2.0
#: bytes of an owner's record, and seconds since 1970 beyond which no calendar goes
LARGEST, END_OF_TIME = 2**20, 2.2e11


@dataclass(frozen=True)
class Owner:
    """A process at work. started, ended: seconds since 1970. stage, done, total: how far it is. how: it ended, in one
    line ("" for as it should); job: the scheduler's name for it."""

    host: str
    pid: int
    started: float
    device: str = ""
    job: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    ended: float | None = None
    how: str = ""


class Presence:
    """`with Presence(folder / WORKER): ...`: the file says that this process is at work until the block ends. A thread
    touches it meanwhile; `report` writes how far the work is, now and then."""

    def __init__(self, file: Path, device: str = "") -> None:
        self._file = file
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if device == "cuda" and visible:
            device = f"cuda:{visible}"
        self._owner = Owner(socket.gethostname(), os.getpid(), time.time(), device, _job())
        self._over = threading.Event()
        self._written = 0.0

    def __enter__(self) -> Presence:
        self._write()
        self._beat = threading.Thread(target=self._touch, daemon=True)
        self._beat.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        self._over.set()
        self._beat.join()
        self._owner = replace(self._owner, ended=time.time(), how=_how(kind, error))
        self._write()

    def report(self, stage: str, done: int = 0, total: int = 0) -> None:
        begins = stage != self._owner.stage
        self._owner = replace(self._owner, stage=stage, done=done, total=total)
        if begins or time.monotonic() - self._written >= WRITE_EVERY_SECONDS:
            self._write()

    def _write(self) -> None:
        """Not through write_atomic: nothing is lost with it, so that no disk has to be waited for."""
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(to_plain(self._owner)) + "\n", encoding="utf-8")
            os.replace(part, self._file)
        except OSError:  # a full disk ends the work where it writes results, and not here
            part.unlink(missing_ok=True)
        self._written = time.monotonic()

    def _touch(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                os.utime(self._file)
            except OSError:
                continue


def read_owner(file: Path) -> Owner | None:
    """Who owns a folder, or did last; None where nobody has yet, or what is there cannot be read."""
    try:
        owner: Owner = from_plain(Owner, json.loads(read_text(file, LARGEST)), str(file))
    except (OSError, ValueError, RecursionError, InputError):
        return None
    known = owner.pid > 0 and all(0 <= at < END_OF_TIME for at in (owner.started, owner.ended or 0.0))
    return owner if known else None


def is_alive(file: Path, owner: Owner) -> bool:
    """Whether an owner is still at work: on this machine its process is asked for, on another one its last sign. The
    sign is asked for here, too, where the process seems to have begun after its own record: either its number is
    another's by now, or the clock was set forward, with which the beginnings of all processes move."""
    if owner.ended is not None:
        return False
    if owner.host == socket.gethostname():
        import psutil

        try:
            if psutil.Process(owner.pid).create_time() < owner.started + 1:
                return True
        except psutil.Error:
            return False
    try:
        return time.time() - file.stat().st_mtime < SILENT_SECONDS
    except OSError:
        return False


def _how(kind: type | None, error: BaseException | None) -> str:
    if kind is None or kind is SystemExit:
        return ""
    if kind is KeyboardInterrupt:
        return "interrupted"
    return f"{kind.__name__}: {' '.join(str(error).split())}"


def _job() -> str:
    """The number of the SLURM job that this process belongs to."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    number = f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")
    return f"SLURM {number}" if number else ""
