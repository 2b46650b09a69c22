"""What every worker process of a sweep does first: report on a channel of its own, and never outlive the sweep."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..benchmark.instruments.own_process import die_with_parent
from ..pose.errors import InputError, NumericalError, is_shortage
from ..pose.plugins import place_of
from ..pose.records import from_plain, to_plain
from ..row import STATUS_OK
from .cell_result import CellResult, write_cell_result
from .executors.presence import WORKER, Presence
from .store import is_ok, read_json, write_json

REPORT_EVERY_SECONDS = 0.2


class Reporter:
    """Writes JSON lines for the sweep on the original standard output; whatever else prints goes to the log."""

    presence: Presence | None = None

    def __init__(self) -> None:
        sys.stdout.flush()
        self._channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._last = 0.0
        self.stage = ""

    def send(self, **message: Any) -> None:
        """One message now. Ends the process when nobody listens any more."""
        try:
            self._channel.write(json.dumps(message) + "\n")
            self._channel.flush()
        except BrokenPipeError:
            os._exit(1)

    def progress(self, stage: str):
        """A `progress(done, total, **info)` callable for the stage that begins; too frequent calls are dropped."""

        self.stage = stage

        def report(done: int, total: int, **info: Any) -> None:
            now = time.monotonic()
            if now - self._last >= REPORT_EVERY_SECONDS or done >= total:
                self._last = now
                self.send(stage=stage, done=int(done), total=int(total), info=_plain(info))
                if self.presence:
                    self.presence.report(stage, int(done), int(total))

        return report


def _plain(info: dict[str, Any]) -> dict[str, float | str]:
    """Numbers and text of a progress call; anything else does not cross the pipe."""
    plain: dict[str, float | str] = {}
    for name, value in info.items():
        if isinstance(value, str):
            plain[name] = value
        else:
            with contextlib.suppress(TypeError, ValueError):
                plain[name] = float(value)
    return plain


def follow_parent() -> None:
    """Make this process die with the sweep that started it, even when that is killed with SIGKILL.

    Linux: the kernel's parent-death signal. Everywhere: standard input is a pipe that the parent holds open, and its
    end means that the parent is gone.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it ends us with SIGTERM

    def wait_for_end() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()


def run_worker(work: Callable[[Path, Any, Reporter], Any], kind: type) -> None:
    """The main function of a worker: FOLDER [--child]. FOLDER/config.json holds its job, a record of this kind;
    `work(folder, job, reporter)` gives the content of result.json, a record or a dict.

    Its error becomes a result with status "failed" and one line; the log keeps the traceback.
    """
    folder, options = Path(sys.argv[1]), sys.argv[2:]
    if "--child" in options:
        follow_parent()
    reporter = Reporter()
    reporter.send(stage="start")
    file = folder / "config.json"
    job = from_plain(kind, read_json(file, "run the sweep again"), str(file))
    with Presence(folder / WORKER, getattr(job, "device", "")) as reporter.presence:
        _work(folder, job, reporter, work)


def _work(folder: Path, job: Any, reporter: Reporter, work: Callable[[Path, Any, Reporter], Any]) -> None:
    already_done = is_ok(folder)
    try:
        result = work(folder, job, reporter)
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        traceback.print_exc()
        wrong_input = isinstance(error, InputError)
        line = " ".join(str(error).split()) or type(error).__name__
        if not (wrong_input or isinstance(error, NumericalError)):
            place = place_of(error)
            line = f"{place}: " * (place is not None) + f"{type(error).__name__}: {line}"
        if not already_done:
            shortage = reporter.stage if is_shortage(error) else ""
            write_cell_result(folder, CellResult(error=line, wrong_input=wrong_input, shortage=shortage))
        sys.exit(2 if wrong_input else 1)
    if result is not None:
        write_json(folder / "result.json", {"status": STATUS_OK} | to_plain(result))
