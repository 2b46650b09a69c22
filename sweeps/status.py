"""What a sweep is doing, read from its folder by whoever sees it; nothing is written and no lock is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..row import STATUS_OK
from .executors.presence import RUN, WORKER, Owner, is_alive, read_owner
from .executors.processes import last_line
from .origins import FILE as MERGED_FILE
from .store import SweepStore, read_result
from .stored import StoredSweep, read_stored
from .timing import timing_folders

WAITING, RUNNING, DONE, FAILED, LOST = "waiting", "running", "done", "failed", "lost"
FINISHED, STOPPED, DIED, MERGED = "finished", "stopped", "died", "merged"


@dataclass(frozen=True)
class Part:
    """A base model, a cell or the latency. state: "waiting", "running", "done", "failed", or "lost": its process went
    without a word, and it is done again from its last checkpoint. owner: who works on it, or did last. why: in one
    line, where it failed or was lost."""

    name: str
    label: str
    state: str
    owner: Owner | None = None
    why: str = ""


@dataclass(frozen=True)
class Status:
    """state: "running", "finished" (nothing is left), "stopped" (it ended and something is left), "died", or "merged"
    (no sweep has run in this folder). why: in one line, where it did not end as it should."""

    root: Path
    state: str
    owner: Owner | None
    why: str
    parts: tuple[Part, ...]

    @property
    def left(self) -> int:
        """How many parts are not done."""
        return sum(part.state != DONE for part in self.parts)


def read_status(root: str | Path) -> Status:
    """The state of the sweep in a folder. InputError where there is none, or its records are broken."""
    store = SweepStore(Path(root))
    parts = tuple(_parts(read_stored(store)))
    file = store.root / RUN
    owner = read_owner(file)
    left = any(part.state != DONE for part in parts)
    if owner is None:
        state, why = (MERGED, "") if (store.root / MERGED_FILE).is_file() else (STOPPED if left else FINISHED, "")
    elif is_alive(file, owner):
        state, why = RUNNING, ""
    elif owner.ended is None:
        gone = f"process {owner.pid} on {owner.host} is gone without a word"
        state, why = DIED, f"{gone} (killed, out of memory, or the machine went down)"
    else:
        state, why = (STOPPED if left else FINISHED), owner.how
    return Status(store.root, state, owner, why, parts)


def _parts(sweep: StoredSweep) -> Iterator[Part]:
    store, cells = sweep.store, sweep.cells
    needed = {cell.train.start.base for cell in cells.values() if not store.is_done(cell.key)}
    for key, base in sweep.bases.items():
        if key in needed or store.base_dir(key).is_dir():
            yield _part(key, base.label, store.base_dir(key))
    for key, cell in cells.items():
        yield _part(key, cell.label, store.cell_dir(key))
    groups = timing_folders(store, list(cells.values()), sweep.request) if sweep.request.latency else {}
    for key, job in groups.items():
        threads = f", {job.run.threads} threads" if len(groups) > 1 else ""
        yield _part(f"timing {key}", f"latency{threads}", store.timing_dir(key))


def _part(name: str, label: str, folder: Path) -> Part:
    file = folder / WORKER
    owner = read_owner(file)
    if owner is not None and is_alive(file, owner):
        return Part(name, label, RUNNING, owner)
    result = read_result(folder)
    if result is not None:
        failed = result["status"] != STATUS_OK
        return Part(name, label, FAILED if failed else DONE, owner, str(result.get("error", "")) if failed else "")
    if owner is not None and owner.ended is None:
        why = f"process {owner.pid} on {owner.host} is gone; its log ends: {last_line(folder / 'log.txt') or 'empty'}"
        return Part(name, label, LOST, owner, why)
    return Part(name, label, WAITING, owner)
