"""Sweeps of several machines joined in one folder, which is then a sweep's like any other."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..pose.errors import InputError
from ..pose.records import digest, to_plain
from ..reports.analysis.results import read_results, write_results
from .agreement import write_agreement
from .by_joint import write_by_joint
from .by_size import join_by_size
from .cell_result import CellResult, read_cell_result
from .config import CellConfig
from .data import DataFacts
from .equal import can_compare, write_equal
from .origins import Origin, machine_of, read_origins, write_origins
from .plan import Plan
from .request import SweepRequest
from .results import assemble_rows, paired_differences
from .store import SweepStore, flatten, is_ok, make_manifest, write_json
from .stored import StoredSweep, read_stored
from .timing import timing_folders

#: what may differ between the cells of a model in sweeps that belong together, by its name in a flat configuration
_FREE = ("run.", "model.reduction.", "model.seed", "train.recipe.seed", "train.recipe.mask_ratios", "train.start.base")
#: of a request: what any of the sweeps asked for
_JOINED = ("models", "masks", "ratios", "seeds", "batch_sizes", "runtimes", "precisions", "weights")


@dataclass(frozen=True)
class Merged:
    """What a merge came to. taken: cells from each folder, in the order given; same: cells that several folders had,
    with the same result; unfinished: cells without a result anywhere."""

    root: Path
    taken: dict[str, int]
    same: int
    unfinished: int


def merge_sweeps(folders: Sequence[str | Path], out: str | Path) -> Merged:
    """Join sweeps in a new folder: all cells that have ended, their rows with machine and folder, and the page.

    A cell that several folders have is taken from the first that has it done; its results must be equal in all but
    clock times and conditions. Times stay with the machine that took them (see reports/analysis/timed.py). The folder
    is written whole or not at all. Raises InputError for a folder that is no sweep's, is of another schema or layout,
    or was made with other settings; for a cell with two results; and for an `out` that holds anything.
    """
    from ..reports.report import write_report

    sources = [_read(folder) for folder in {Path(folder).resolve(): Path(folder) for folder in folders}.values()]
    if len(sources) < 2:
        raise InputError("give the folders of two or more sweeps")
    _check_settings(sources)
    chosen, same = _choose(sources)
    if not chosen:
        raise InputError(f"{sources[0].store.root} and the others: no cell has ended yet; there is nothing to merge")
    root = Path(out)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root}: exists already; give --out a new or empty folder")
    part = None
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}.", suffix=".part"))
        part.chmod(0o755)
        _write(SweepStore(part), sources, chosen)
        write_report(part)
        if root.exists():
            root.rmdir()
        part.rename(root)
    except OSError as error:
        raise InputError(f"{root}: cannot be written ({error.strerror or error}); give another --out") from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    taken = {str(source.store.root): sum(found is source for found in chosen.values()) for source in sources}
    every = {key for source in sources for key in source.cells}
    return Merged(root, taken, same, len(every - chosen.keys()))


def _read(folder: Path) -> StoredSweep:
    sweep = read_stored(SweepStore(folder))
    if sweep.store.results_file.is_file():
        read_results(sweep.store.results_file)  # its schema, too, has to be ours
    return sweep


def _check_settings(sources: Sequence[StoredSweep]) -> None:
    """InputError where two sweeps judged by other people, or made the cells of one model, or one cell, in another way:
    their rows would be compared."""
    first: dict[Any, tuple[StoredSweep, dict[str, Any]]] = {}
    for source in sources:
        for cell in source.cells.values():
            for place, name, settings in _alike(source, cell):
                other, theirs = first.setdefault(place, (source, settings))
                names = sorted(n for n in theirs.keys() | settings.keys() if theirs.get(n) != settings.get(n))
                if names:
                    parts = [f"{n} is {theirs.get(n)} there and {settings.get(n)} here" for n in names[:3]]
                    raise InputError(
                        f"{source.store.root}: its {name} cannot be joined with those of "
                        f"{other.store.root}: {', '.join(parts)}; merge sweeps that differ in models, masks, ratios, "
                        "seeds or machine alone"
                    )


def _alike(source: StoredSweep, cell: CellConfig) -> Iterator[tuple[Any, str, dict[str, Any]]]:
    """What must be alike wherever there is a cell of the same place, with its name: (place, name, settings)."""
    if cell.is_baseline and not cell.is_elastic:
        yield cell.model.name, cell.model.name, _settings(source, cell)
        yield "people", "people", {"eval.data": cell.eval.data, "eval.boxes": cell.eval.boxes}
    asked = replace(cell.model.reduction, source=None)
    place = cell.label, asked, cell.run, cell.train.start.base
    yield place, f"cells {cell.label}", flatten(to_plain(replace(cell, trained=None)))


def _settings(source: StoredSweep, cell: CellConfig) -> dict[str, Any]:
    base = source.bases.get(cell.train.start.base or "")
    flat = {"": flatten(to_plain(cell)), "base model: ": flatten(to_plain(base)) if base else {}}
    return {where + n: v for where, found in flat.items() for n, v in found.items() if not n.startswith(_FREE)}


def _choose(sources: Iterable[StoredSweep]) -> tuple[dict[str, StoredSweep], int]:
    """Where each cell that has ended is taken from, and how many were there more than once."""
    chosen: dict[str, StoredSweep] = {}
    results: dict[str, CellResult] = {}
    several = set()
    for source in sources:
        for key, cell in source.cells.items():
            result = read_cell_result(source.store.cell_dir(key))
            if result is None:
                continue
            if key not in chosen or (results[key].error and not result.error):
                chosen[key], results[key] = source, result
            elif not result.error:
                several.add(key)
                if difference := _difference(results[key], result):
                    here, there = chosen[key].store.cell_dir(key), source.store.cell_dir(key)
                    raise InputError(
                        f"{cell.label} has two results: {difference} in {here} and {there}; "
                        "move the folder away that is not to count"
                    )
    return chosen, len(several)


def _difference(one: CellResult, other: CellResult) -> str:
    """What differs in two results of a cell, in words, clock times and conditions apart: the batch of an evaluation is
    one, which is smaller where memory was short."""
    a, b = (r.counts | r.accuracy | r.training for r in (one, other))
    for name in a.keys() | b.keys():
        mine, theirs = a.get(name), b.get(name)
        both_nan = all(isinstance(value, float) and math.isnan(value) for value in (mine, theirs))
        if mine != theirs and not both_nan and not name.endswith(("seconds", "eval_batch")):
            return f"{name} is {mine} and {theirs}"
    return ""


def _write(store: SweepStore, sources: Sequence[StoredSweep], chosen: dict[str, StoredSweep]) -> None:
    """Everything of a merged sweep but its page."""
    cells = {key: cell for source in sources for key, cell in source.cells.items()}
    bases = {key: base for source in sources for key, base in source.bases.items()}
    request = _joined(sources)
    people = sources[0].data
    asked = to_plain(request) | to_plain(people)
    write_json(store.manifest_file, make_manifest(asked, cells.values(), bases.values()))
    for source in sources:
        for key in source.bases:
            if is_ok(source.store.base_dir(key)) and not store.base_dir(key).exists():
                _copy(source.store.base_dir(key), store.base_dir(key))
        for pictures in ("plots/masks", "plots/people"):
            _copy(source.store.root / pictures, store.root / pictures)
    for key, source in chosen.items():
        _copy(source.store.cell_dir(key), store.cell_dir(key))
    write_origins(store, _origins(store, sources, chosen))
    ended = [cell for key, cell in cells.items() if key in chosen]
    data = DataFacts(
        root=Path(people.data_dir), layout=ended[0].model.dataset, boxes=request.boxes,
        boxes_hash=ended[0].eval.boxes, train_hash=None, eval_hash=ended[0].eval.data,
        train_people=people.train_people, eval_people=people.eval_people,
    )  # fmt: skip
    plan = Plan(request, data, (), ended, bases)
    write_results(store.results_file, assemble_rows(store, plan, {}, paired_differences(store, ended, plan.request)))
    if can_compare(ended):
        write_equal(store, ended, request.budgets or ())
    write_agreement(store, ended)
    write_by_joint(store, ended)
    join_by_size(store, {key: source.store for key, source in chosen.items()})


def _joined(sources: Sequence[StoredSweep]) -> SweepRequest:
    """What would have been asked for on one machine."""

    def union(name: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(value for source in sources for value in getattr(source.request, name) or ()))

    every = {name: union(name) for name in _JOINED}
    latency = any(source.request.latency for source in sources)
    return replace(sources[0].request, **every, budgets=union("budgets") or None, latency=latency, out=None)


def _origins(
    store: SweepStore, sources: Sequence[StoredSweep], chosen: dict[str, StoredSweep]
) -> dict[str, Origin]:
    """Where each cell comes from; its timing is copied on the way. A folder that was merged itself passes on what it
    knows; a machine that is not on record is told from others by the folder."""
    found: dict[str, Origin] = {}
    for source in sources:
        own = [source.cells[key] for key, taken in chosen.items() if taken is source]
        before, folder = read_origins(source.store), source.store.root.resolve()
        unknown = f"unknown ({folder.name})"
        timings = _timings(source, {origin.timing for origin in before.values()})
        copied: dict[str, str] = {}
        for cell in own:
            known = before.get(cell.key)
            timing = timings.get(cell.timing_key) or (known.timing if known else None)
            if timing and timing not in copied:
                copied[timing] = _copy_timing(source.store, timing, store)
            machine = known.machine if known else machine_of(source.store.cell_dir(cell.key)) or unknown
            found[cell.key] = Origin(known.folder if known else str(folder), machine, copied.get(timing or ""))
    return found


def _timings(source: StoredSweep, merged: Collection[str | None]) -> dict[str, str]:
    """Key of what is executed -> the folder in timing/ that holds its latency, as it was measured for the whole sweep;
    merged: folders that are a part's."""
    groups = timing_folders(source.store, source.done, source.request)
    measured = {k: job for k, job in groups.items() if k not in merged and is_ok(source.store.timing_dir(k))}
    return {
        cell.timing_key: key
        for key, job in measured.items()
        for cell in source.done
        if cell.run == job.run and cell.executed in job.models
    }


def _copy_timing(source: SweepStore, key: str, store: SweepStore) -> str:
    """Two machines may have timed the same models, under the same key; the second gets one of its own."""
    name = key
    while store.timing_dir(name).exists():
        name = digest([key, name])
    _copy(source.timing_dir(key), store.timing_dir(name))
    return name


def _copy(folder: Path, to: Path) -> None:
    """A folder's files, but for what a process was still writing. Links are not followed: a sweep makes none."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink() and not file.name.endswith(".part"):
            target = to / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
