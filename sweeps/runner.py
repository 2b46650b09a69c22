"""A sweep from beginning to end: base models, cells, timing, results, pictures, comparison, report; resumable at every
point.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..benchmark.profiling.config import RunConfig
from ..pose.errors import InputError
from ..pose.records import from_plain, to_plain
from ..reports.analysis.results import write_results
from .cell_result import CellResult, read_cell_result, write_cell_result
from .config import CellConfig, Job
from .data import find_data
from .events import Event, Listener, ignore
from .executors import Resources, Task, find_executor
from .executors.presence import RUN, Presence
from .executors.processes import last_line
from .image_timing import image_timing_jobs, note_times
from .plan import Plan, folder_of, make_plan
from .request import SweepRequest, changed
from .results import assemble_rows, paired_differences
from .shortage import with_less_memory
from .store import (
    SweepStore,
    is_ok,
    make_manifest,
    memory_file,
    open_store,
    read_json,
    read_result,
    run_file,
    write_json,
)  # fmt: skip
from .stored import StoredData
from .timing import read_timings, runs_evaluated, timing_groups

TIMING, IMAGE_TIMING = "posebench.sweeps.timing", "posebench.sweeps.image_timing"
#: what cells and base models import; torch's profiler, which measures memory, imports the last when it is first used
PRELOAD = ("posebench.sweeps.work", "posebench.benchmark.counting.flops", "torch._dynamo")
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
        request = changed(request or SweepRequest(), values)
    return execute(request, on_event).root


def execute(request: SweepRequest, on_event: Listener = ignore) -> Outcome:
    """`run_sweep`, with the rows and the failures as well."""
    plan = make_plan(request, find_data(request, on_event))
    root = folder_of(plan)
    outcome = Outcome(root, plan)
    with open_store(root, manifest_of(plan)) as store, Presence(store.root / RUN, request.device):
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
    data = StoredData(str(plan.data.root), plan.data.train_people, plan.data.eval_people)
    return make_manifest(to_plain(plan.request) | to_plain(data), plan.cells, plan.bases.values())


def jobs_of(plan: Plan) -> int:
    """Cells at the same time: as many as the cores carry on the CPU, one on each CUDA device. Of another executor than
    this machine nothing is known but what was asked for."""
    from .executors.leases import places

    request = plan.request
    if not find_executor(request.executor).here:
        return request.jobs or 1
    largest = max((cell.run for cell in plan.models), key=lambda run: run.threads)
    return places(_task("", "", Path(), largest), resources_of(request, Path()))


def resources_of(request: SweepRequest, root: Path) -> Resources:
    """What a request lets its executor take."""
    return Resources(root, request.jobs, request.device_numbers, dict(request.executor_options))


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
    tasks = [_task("posebench.sweeps.base", key, folder, plan.bases[key].run) for key, folder in folders.items()]
    resources = resources_of(plan.request, outcome.root)
    if not any(task.cuda for task in tasks):  # each takes all cores, however many cells are to share them
        resources = replace(resources, jobs=1)
    _run(tasks, plan, outcome, on_event, resources)
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
    runs = {cell.key: cell.run for cell in cells}
    tasks = [_task("posebench.sweeps.cell", key, folder, runs[key]) for key, folder in folders.items()]
    _run(tasks, plan, outcome, on_event)
    return folders


def _run_timing(store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener) -> None:
    """Latency of all configurations, alone on the machine; what is stored already is not measured again."""
    done = [cell for cell in plan.cells if store.is_done(cell.key)]
    for key, job in timing_groups(done, plan.request).items():
        folder = store.timing_dir(key)
        if not is_ok(folder):
            _write_job(folder, job)
            _run([_task(TIMING, f"timing {key}", folder, job.run)], plan, outcome, on_event)
    for key, job in image_timing_jobs(store, done, plan.request).items():
        folder = store.timing_dir(key)
        if not is_ok(folder):
            _write_job(folder, job)
            _run([_task(IMAGE_TIMING, f"timing {key}", folder, job.run)], plan, outcome, on_event)
        note_times(store, key, job)


def _task(module: str, name: str, folder: Path, run: RunConfig) -> Task:
    """The process for a folder. It reads config.json there and leaves result.json, which says how it went."""
    measures = module in (TIMING, IMAGE_TIMING)
    settings = {} if measures or os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} else SPIN
    preload = () if measures else PRELOAD
    return Task(name, module, folder, run.threads, run.device == "cuda", measures, settings, preload)


def _run(
    tasks: list[Task], plan: Plan, outcome: Outcome, on_event: Listener, resources: Resources | None = None
) -> None:
    """Have the tasks done by the sweep's executor, and tell of each."""
    by_name = {task.name: task for task in tasks}
    folders = {task.name: task.folder for task in tasks}
    for folder in folders.values():
        if not is_ok(folder):
            (folder / "result.json").unlink(missing_ok=True)  # an earlier failure is not this run's

    def on_message(name: str, message: dict[str, Any]) -> None:
        kind = "start" if message.get("stage") == "start" else "progress"
        fields = {name: message[name] for name in ("stage", "done", "total", "info", "where") if name in message}
        on_event(Event(kind, name, **fields))

    again: list[Task] = []

    def on_exit(name: str, code: int) -> None:
        folder = folders[name]
        if read_result(folder) is None:
            write_cell_result(folder, CellResult(error=_why_ended(folder, code)))
        if not is_ok(folder) and _ask_for_less(folder):
            on_event(Event("retry", name, info={"error": read_cell_result(folder).error}))
            again.append(by_name[name])
        elif not is_ok(folder):
            _report_failure(name, read_cell_result(folder).error, outcome, on_event)
        elif code != 0:  # done before, but what was still missing (memory at another batch size) failed
            _report_failure(name, _why_ended(folder, code), outcome, on_event)
        else:
            on_event(Event("done", name, info={} if by_name[name].alone else read_cell_result(folder).columns))

    if tasks:
        resources = resources or resources_of(plan.request, outcome.root)
        find_executor(plan.request.executor).run(tasks, resources, on_message, on_exit)
        _run(again, plan, outcome, on_event, resources)


def _ask_for_less(folder: Path) -> bool:
    """Where memory did not suffice, and the same result can be had with less: make this its job."""
    shortage = read_cell_result(folder).shortage
    file = folder / "config.json"
    job = from_plain(Job, read_json(file, "run the sweep again"), str(file)) if shortage else None
    less = job and with_less_memory(job, shortage)
    if less:
        _write_job(folder, less)
    return less is not None


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
        device=cell.run.device,
        workers=plan.request.workers,
        batch_sizes=plan.request.batch_sizes,
        runs=runs_evaluated(cell, plan.request) if cell.evaluates else (),
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
    from .agreement import write_agreement
    from .by_joint import write_by_joint
    from .by_size import write_by_size
    from .equal import can_compare, write_equal
    from .lost_people import draw_lost_people
    from .pictures import draw_differences, draw_masks

    parts = [("pictures", lambda: draw_masks(store, plan, on_event))]
    parts.append(("by_size", lambda: write_by_size(store, plan)))
    parts.append(("by_joint", lambda: write_by_joint(store, plan.cells)))
    parts.append(("lost_people", lambda: draw_lost_people(store, plan, on_event)))
    if can_compare(plan.cells):
        parts.append(("equal_gflopst", lambda: write_equal(store, plan.cells, plan.request.budgets or ())))

    def agree() -> None:
        found = write_agreement(store, plan.cells)
        draw_differences(store, plan.cells, found, plan.data.root)

    parts += [("agreement", agree), ("report", lambda: write_report(store.root))]
    for name, work in parts:
        on_event(Event("start", name))
        try:
            work()
        except Exception as error:
            line = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            _report_failure(name, line.splitlines()[0], outcome, on_event)
        else:
            on_event(Event("done", name))


def _raise_input_error(folder: Path) -> None:
    result = read_cell_result(folder)
    if result is not None and result.wrong_input:
        raise InputError(result.error)


def _report_failure(name: str, error: str, outcome: Outcome, on_event: Listener) -> None:
    outcome.failed[name] = error
    on_event(Event("failed", name, info={"error": error}))
