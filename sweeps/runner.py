"""A sweep from beginning to end: base models, cells, timing, results, pictures, comparison, report; resumable at every
point.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..benchmark.instruments.interference import usable_cores
from ..pose.errors import InputError
from ..pose.records import to_plain
from ..reports.analysis.results import write_results
from .cell_result import CellResult, read_cell_result, write_cell_result
from .config import CellConfig, Job
from .data import find_data
from .events import Event, Listener, ignore
from .plan import Plan, folder_of, make_plan
from .processes import Task, last_line, run_tasks
from .request import SweepRequest, parse
from .results import assemble_rows, paired_differences
from .store import SweepStore, is_ok, make_manifest, memory_file, open_store, read_result, run_file, write_json
from .timing import read_timings, runs_evaluated, timing_groups

TIMING = "posebench.sweeps.timing"
# How long the threads of a worker spin while they wait for each other (GNU OpenMP). At its default, two threads beside
# another job on the same two cores trained on 3 crops/s instead of 100; so they do, and alone on 400 instead of 440.
# Latency is measured at the default, as everybody's program runs.
SPIN = {"GOMP_SPINCOUNT": "5000"}


@dataclass
class Outcome:
    """What a sweep came to. failed: name of a cell, base model or later part -> one line."""

    root: Path
    plan: Plan
    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def run_sweep(request: SweepRequest | None = None, *, on_event: Listener = ignore, **values: Any) -> Path:
    """Run or continue a sweep and return its folder, with results.csv, report.html and plots/.

    request: from `sweeps.request.parse`; or its fields as keyword arguments (models="tmpose_tiny", ratios=[0.2, 0.4],
    ...), which go over those of `request`. Where no `out` is given the folder is named after the grid, so that the same
    call continues.
    Cells that fail are rows with status "failed"; the others are run. Raises InputError for what the user got wrong.
    """
    if values or request is None:
        request = parse((vars(request) if request else {}) | values)
    return execute(request, on_event).root


def execute(request: SweepRequest, on_event: Listener = ignore) -> Outcome:
    """`run_sweep`, with the rows and the failures as well."""
    plan = make_plan(request, find_data(request, on_event))
    root = folder_of(plan)
    outcome = Outcome(root, plan)
    with open_store(root, manifest_of(plan)) as store:
        finished = {cell.key for cell in plan.cells if is_complete(store, cell, request)}
        on_event(Event("plan", info={"plan": plan, "root": root, "finished": finished}))
        try:
            _run_bases(store, plan, outcome, on_event)
            _run_cells(store, plan, outcome, on_event)
            if request.latency:
                _run_timing(store, plan, outcome, on_event)
        finally:  # after Ctrl-C, too, what is finished can be read
            outcome.rows = _write_rows(store, plan, {})
        outcome.rows = _write_rows(store, plan, paired_differences(store, plan.cells, plan.request))
        _finish(store, plan, outcome, on_event)
    return outcome


def manifest_of(plan: Plan) -> dict[str, Any]:
    """The content of sweep.json: what was asked for, and the cells in running order."""
    asked = to_plain(plan.request) | {"data_dir": str(plan.data.root)}
    asked |= {"train_people": plan.data.train_people, "eval_people": plan.data.eval_people}
    return make_manifest(asked, plan.cells, plan.bases.values())


def jobs_of(plan: Plan) -> int:
    """Cells at the same time: as many as the cores carry on the CPU, one on CUDA."""
    if plan.request.jobs is not None:
        return plan.request.jobs
    if plan.request.device != "cpu":
        return 1
    return max(1, usable_cores() // max(cell.run.threads for cell in plan.models))


def is_complete(store: SweepStore, cell: CellConfig, request: SweepRequest) -> bool:
    """Whether nothing of a cell is left to do: it is done, and its memory is measured at every batch size."""
    sizes = () if cell.is_elastic else request.batch_sizes
    files = [memory_file(store.cell_dir(cell.key), size) for size in sizes]
    files += [run_file(store.cell_dir(cell.key), run) for run in runs_evaluated(cell, request)]
    return store.is_done(cell.key) and all(file.is_file() for file in files)


def missing_bases(store: SweepStore, plan: Plan) -> list[str]:
    """Keys of the base models that are still to be trained, as cells start from them that are not done."""
    needed = {cell.train.start.base for cell in plan.cells if not store.is_done(cell.key)}
    return [key for key in plan.bases if key in needed and not is_ok(store.base_dir(key))]


def _run_bases(store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener) -> None:
    """Train the base models that unfinished cells start from. A wrong input ends the sweep: no cell would do better."""
    folders = {key: store.base_dir(key) for key in missing_bases(store, plan)}
    for key, folder in folders.items():
        _write_job(folder, _job(plan, plan.bases[key], store))
    threads = {key: base.run.threads for key, base in plan.bases.items()}
    _run_folders("posebench.sweeps.base", folders, threads, 1, outcome, on_event)
    for folder in folders.values():
        _raise_input_error(folder)


def _run_cells(store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener) -> None:
    """Cells with models of their own first, then those that evaluate these models at other ratios."""
    trained, evaluated = ([cell for cell in plan.cells if bool(cell.trained) == other] for other in (False, True))
    folders = _run_some(trained, store, plan, outcome, on_event)
    if not any(store.is_done(cell.key) for cell in trained):
        for folder in folders.values():
            _raise_input_error(folder)
    if evaluated:
        _run_some(evaluated, store, plan, outcome, on_event)


def _run_some(
    cells: list[CellConfig], store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener
) -> dict[str, Path]:
    """Run those of the cells that are not complete and whose start did not fail; returns the folders of these."""
    folders: dict[str, Path] = {}
    for cell in cells:
        folder = store.cell_dir(cell.key)
        start = cell.trained.cell if cell.trained else cell.train.start.base
        if is_complete(store, cell, plan.request):
            on_event(Event("skipped", cell.key, info=read_cell_result(folder).columns))
        elif start in outcome.failed and not store.is_done(start) and not store.is_done(cell.key):
            error = f"its {'model' if cell.trained else 'base model'} failed: {outcome.failed[start]}"
            write_cell_result(folder, CellResult(error=error))
            _report_failure(cell.key, error, outcome, on_event)
        else:
            _write_job(folder, _job(plan, cell, store))
            folders[cell.key] = folder
    threads = {cell.key: cell.run.threads for cell in cells}
    _run_folders("posebench.sweeps.cell", folders, threads, jobs_of(plan), outcome, on_event)
    return folders


def _run_timing(store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener) -> None:
    """Latency of all configurations, alone on the machine; what is stored already is not measured again."""
    done = [cell for cell in plan.cells if store.is_done(cell.key)]
    for key, job in timing_groups(done, plan.request).items():
        folder, name = store.timing_dir(key), f"timing {key}"
        if not is_ok(folder):
            _write_job(folder, job)
            _run_folders(TIMING, {name: folder}, {name: job.run.threads}, 1, outcome, on_event)


def _run_folders(
    module: str,
    folders: dict[str, Path],
    threads: dict[str, int],
    jobs: int,
    outcome: Outcome,
    on_event: Listener,
) -> None:
    """One process per folder. It reads config.json there and leaves result.json, which says how it went."""
    for folder in folders.values():
        if not is_ok(folder):
            (folder / "result.json").unlink(missing_ok=True)  # an earlier failure is not this run's

    settings = {} if module == TIMING or os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} else SPIN

    def on_message(name: str, message: dict[str, Any]) -> None:
        kind = "start" if message.get("stage") == "start" else "progress"
        fields = {name: message[name] for name in ("stage", "done", "total", "info") if name in message}
        on_event(Event(kind, name, **fields))

    def on_exit(name: str, code: int) -> None:
        if read_result(folders[name]) is None:
            write_cell_result(folders[name], CellResult(error=_why_ended(folders[name], code)))
        if not is_ok(folders[name]):
            _report_failure(name, read_cell_result(folders[name]).error, outcome, on_event)
        elif code != 0:  # done before, but what was still missing (memory at another batch size) failed
            _report_failure(name, _why_ended(folders[name], code), outcome, on_event)
        else:
            info = {} if module == TIMING else read_cell_result(folders[name]).columns
            on_event(Event("done", name, info=info))

    tasks = [
        Task(name, module, (str(folder), "--child"), folder / "log.txt", threads[name], settings)
        for name, folder in folders.items()
    ]
    run_tasks(tasks, jobs, on_message, on_exit)


def _why_ended(folder: Path, code: int) -> str:
    if code == -9:
        return "its process was killed (out of memory?)"
    if code < 0:
        return f"its process was ended by signal {-code}"
    return last_line(folder / "log.txt") or f"its process ended with code {code}"


def _write_job(folder: Path, job: Any) -> None:
    write_json(folder / "config.json", to_plain(job))


def _job(plan: Plan, cell: CellConfig, store: SweepStore) -> Job:
    """A cell, or base model, with the files that it needs."""
    begin = cell.train.start
    if cell.trained:
        start = store.cell_dir(cell.trained.cell) / "last.pt"
    elif begin.weights:
        start = Path(plan.request.weights_of(cell.model.name))
    else:
        start = store.base_dir(begin.base) / "last.pt" if begin.base else None
    backbone = plan.request.backbone_weights if begin.backbone_weights else None
    return Job(
        config=cell,
        data_root=str(plan.data.root),
        boxes=plan.data.boxes,
        device=plan.request.device,
        workers=plan.request.workers,
        batch_sizes=plan.request.batch_sizes,
        runs=runs_evaluated(cell, plan.request) if cell.eval else (),
        start=str(start.resolve()) if start else None,
        backbone=str(Path(backbone).resolve()) if backbone else None,
    )


def _write_rows(store: SweepStore, plan: Plan, differences: dict[str, Any]) -> list[dict[str, Any]]:
    timings = read_timings(store, [cell for cell in plan.cells if store.is_done(cell.key)], plan.request)
    rows = assemble_rows(store, plan, timings, differences)
    write_results(store.results_file, rows)
    return rows


def _finish(store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener) -> None:
    """Pictures, the comparison of masks and the page. They come last, and their failure costs no result."""
    from ..reports.report import write_report
    from .equal import can_compare, write_equal
    from .pictures import draw_masks

    parts = [("pictures", lambda: draw_masks(store, plan, on_event))]
    if can_compare(plan.cells):
        parts.append(("equal_gflopst", lambda: write_equal(store, plan.cells)))
    parts.append(("report", lambda: write_report(store.root)))
    for name, work in parts:
        on_event(Event("start", name))
        try:
            work()
        except Exception as error:
            _report_failure(name, f"{type(error).__name__}: {error}".splitlines()[0], outcome, on_event)
        else:
            on_event(Event("done", name))


def _raise_input_error(folder: Path) -> None:
    result = read_cell_result(folder)
    if result is not None and result.wrong_input:
        raise InputError(result.error)


def _report_failure(name: str, error: str, outcome: Outcome, on_event: Listener) -> None:
    outcome.failed[name] = error
    on_event(Event("failed", name, info={"error": error}))
