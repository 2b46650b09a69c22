"""Where the cells of a merged sweep come from: merged.json, which other sweeps do not have.

The name of a machine is in the rows of a merged sweep alone: what one machine measured needs none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..benchmark.profiling.config import RunConfig
from ..pose.errors import InputError
from ..pose.records import from_plain, to_plain
from .config import CellConfig, timing_key
from .executors.presence import WORKER, read_owner
from .store import SweepStore, read_json, read_result, write_json

FILE = "merged.json"


@dataclass(frozen=True)
class Origin:
    """Of a cell: the sweep's folder and the machine that it was run in; timing: key of the folder in timing/ that holds
    its latency, as that machine took it."""

    folder: str
    machine: str
    timing: str | None = None


def read_origins(store: SweepStore) -> dict[str, Origin]:
    """By the keys of the cells; {} in a sweep that was not merged. InputError for a broken file."""
    file = store.root / FILE
    if not file.is_file():
        return {}
    content = read_json(file, "merge the sweeps again")
    origins: dict[str, Origin] = {key: from_plain(Origin, plain, str(file)) for key, plain in content.items()}
    for origin in origins.values():
        if origin.timing is not None and not re.fullmatch(r"[0-9a-f]{16}", str(origin.timing)):
            raise InputError(f"{file}: {str(origin.timing)!r} is not the key of a timing; merge the sweeps again")
    return origins


def write_origins(store: SweepStore, origins: Mapping[str, Origin]) -> None:
    write_json(store.root / FILE, {key: to_plain(origin) for key, origin in origins.items()})


def machine_of(folder: Path) -> str:
    """The machine whose process worked in a cell's folder, or in a timing's; "" where it is not on record."""
    owner = read_owner(folder / WORKER)
    return owner.host if owner else ""


def columns_of(store: SweepStore, cell: CellConfig, origins: Mapping[str, Origin]) -> dict[str, Any]:
    """The columns that say where a row of a merged sweep comes from; none for other sweeps. A cell that was run in the
    merged folder has no origin."""
    if not origins:
        return {}
    origin = origins.get(cell.key)
    machine = origin.machine if origin else machine_of(store.cell_dir(cell.key))
    return {"machine": machine or None, "sweep_dir": origin.folder if origin else None}


def timings_in(folder: Path, machine: str | None = None) -> dict[str, dict[str, Any]]:
    """Key of what is executed -> batch size (text) -> latency columns, of a timing's folder; with the machine.
    InputError where they are damaged."""
    told = {"timed_on": machine} if machine else {}
    timings = (read_result(folder) or {}).get("timings", {})
    by_key = timings.values() if isinstance(timings, dict) else [timings]
    if not all(isinstance(one, dict) and all(isinstance(row, dict) for row in one.values()) for one in by_key):
        raise InputError(f"{folder / 'result.json'}: its times are damaged; delete it, and they are taken again")
    return {name: {size: row | told for size, row in by_size.items()} for name, by_size in timings.items()}


def origin_timings(
    store: SweepStore, cell: CellConfig, origins: Mapping[str, Origin], run: RunConfig
) -> dict[str, Any]:
    """Batch size (text) -> latency columns of a cell in a runtime, as its origin measured them."""
    origin = origins.get(cell.key)
    if origin is None or origin.timing is None:
        return {}
    folder = store.timing_dir(origin.timing)
    return timings_in(folder, machine_of(folder) or origin.machine).get(timing_key(cell.executed, run), {})
