"""A sweep from beginning to end: base models, cells, timing, results, pictures, comparison, report; resumable at every
point.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..benchmark.interference import usable_cores
from ..pose.errors import InputError
from ..reports.analysis.results import write_results
from .data import find_data
from .events import Event, Listener, ignore
from .grid import Cell
from .plan import Plan, folder_of, make_plan
from .processes import Task, last_line, run_tasks
from .rows import assemble_rows, paired_differences
from .spec import SweepSpec, parse
from .store import FAILED, SweepStore, is_ok, make_manifest, memory_file, open_store, read_result, write_json
from .timing import read_timings, timing_groups

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


def run_sweep(spec: SweepSpec | None = None, *, on_event: Listener = ignore, **values: Any) -> Path:
    """Run or continue a sweep and return its folder, with results.csv, report.html and plots/.

    spec: from `sweeps.spec.parse`; or its fields as keyword arguments (models="tmpose_tiny", ratios=[0.2, 0.4], ...),
    which go over those of `spec`. Where no `out` is given the folder is named after the grid, so that the same call
    continues.
    Cells that fail are rows with status "failed"; the others are run. Raises InputError for what the user got wrong.
    """
    if values or spec is None:
        given = {} if spec is None else {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
        spec = parse(given | values)
    return execute(spec, on_event).root


def execute(spec: SweepSpec, on_event: Listener = ignore) -> Outcome:
    """`run_sweep`, with the rows and the failures as well."""
    plan = make_plan(spec, find_data(spec, on_event))
    root = folder_of(plan)
    outcome = Outcome(root, plan)
    with open_store(root, manifest_of(plan)) as store:
        finished = {cell.key for cell in plan.cells if is_complete(store, cell, spec)}
        on_event(Event("plan", info={"plan": plan, "root": root, "finished": finished}))
        try:
            _run_bases(store, plan, outcome, on_event)
            _run_cells(store, plan, outcome, on_event)
            if spec.latency:
                _run_timing(store, plan, outcome, on_event)
        finally:  # after Ctrl-C, too, what is finished can be read
            outcome.rows = _write_rows(store, plan, {})
        outcome.rows = _write_rows(store, plan, paired_differences(store, plan.cells))
        _finish(store, plan, outcome, on_event)
    return outcome


def manifest_of(plan: Plan) -> dict[str, Any]:
    """The content of sweep.json: what was asked for, and the cells in running order."""
    cells = [{"key": cell.key, "label": cell.label, "config": cell.config} for cell in plan.cells]
    asked = dataclasses.asdict(plan.spec) | {"data_dir": str(plan.data.root)}
    asked |= {"train_people": plan.data.train_people, "eval_people": plan.data.eval_people}
    return make_manifest(asked, cells, plan.bases)


def jobs_of(plan: Plan) -> int:
    """Cells at the same time: as many as the cores carry on the CPU, one on CUDA."""
    if plan.spec.jobs is not None:
        return plan.spec.jobs
    if plan.spec.device != "cpu":
        return 1
    return max(1, usable_cores() // max(model.threads for model in plan.models))


def is_complete(store: SweepStore, cell: Cell, spec: SweepSpec) -> bool:
    """Whether nothing of a cell is left to do: it is done, and its memory is measured at every batch size."""
    sizes = () if cell.is_elastic else spec.batch_sizes
    measured = all(memory_file(store.cell_dir(cell.key), size).is_file() for size in sizes)
    return store.is_done(cell.key) and measured


def missing_bases(store: SweepStore, plan: Plan) -> list[str]:
    """Keys of the base models that are still to be trained, as cells start from them that are not done."""
    needed = {cell.config["base"] for cell in plan.cells if not store.is_done(cell.key)}
    return [key for key in plan.bases if key in needed and not is_ok(store.base_dir(key))]


def _run_bases(store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener) -> None:
    """Train the base models that unfinished cells start from. A wrong input ends the sweep: no cell would do better."""
    folders = {key: store.base_dir(key) for key in missing_bases(store, plan)}
    for key, folder in folders.items():
        write_json(folder / "config.json", _task(plan, plan.bases[key], store))
    _run_folders(folders, "posebench.sweeps.base", plan.bases, 1, outcome, on_event)
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
    cells: list[Cell], store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener
) -> dict[str, Path]:
    """Run those of the cells that are not complete and whose start did not fail; returns the folders of these."""
    folders: dict[str, Path] = {}
    for cell in cells:
        folder = store.cell_dir(cell.key)
        start = cell.trained or cell.config["base"]
        if is_complete(store, cell, plan.spec):
            on_event(Event("skipped", cell.key, info=store.result(cell.key)["row"]))
        elif start in outcome.failed and not store.is_done(start) and not store.is_done(cell.key):
            error = f"its {'model' if cell.trained else 'base model'} failed: {outcome.failed[start]}"
            write_json(folder / "result.json", {"status": FAILED, "error": error, "input": False, "row": {}})
            _report_failure(cell.key, error, outcome, on_event)
        else:
            write_json(folder / "config.json", _task(plan, cell.config, store))
            folders[cell.key] = folder
    configs = {cell.key: cell.config for cell in cells}
    _run_folders(folders, "posebench.sweeps.cell", configs, jobs_of(plan), outcome, on_event)
    return folders


def _run_timing(store: SweepStore, plan: Plan, outcome: Outcome, on_event: Listener) -> None:
    """Latency of all configurations, alone on the machine; what is stored already is not measured again."""
    done = [cell for cell in plan.cells if store.is_done(cell.key)]
    for key, task in timing_groups(done, plan.spec).items():
        if is_ok(store.timing_dir(key)):
            continue
        folder = store.timing_dir(key)
        write_json(folder / "config.json", task)
        _run_folders({key: folder}, TIMING, {key: task}, 1, outcome, on_event)


def _run_folders(
    folders: dict[str, Path],
    module: str,
    configs: dict[str, dict[str, Any]],
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
        result = read_result(folders[name])
        if result is None:
            result = {"status": FAILED, "error": _why_ended(folders[name], code), "input": False, "row": {}}
            write_json(folders[name] / "result.json", result)
        if result["status"] == FAILED:
            _report_failure(name, result["error"], outcome, on_event)
        elif code != 0:  # done before, but what was still missing (memory at another batch size) failed
            _report_failure(name, _why_ended(folders[name], code), outcome, on_event)
        else:
            on_event(Event("done", name, info=result.get("row", {})))

    tasks = [
        Task(name, module, (str(folder), "--child"), folder / "log.txt", configs[name]["threads"], settings)
        for name, folder in folders.items()
    ]
    run_tasks(tasks, jobs, on_message, on_exit)


def _why_ended(folder: Path, code: int) -> str:
    if code == -9:
        return "its process was killed (out of memory?)"
    if code < 0:
        return f"its process was ended by signal {-code}"
    return last_line(folder / "log.txt") or f"its process ended with code {code}"


def _task(plan: Plan, config: dict[str, Any], store: SweepStore) -> dict[str, Any]:
    """What a worker needs beside the configuration: paths, and settings that do not change the result."""
    base, trained = config.get("base"), config.get("trained")
    weights, backbone_weights = plan.weights.get(config["model"]), plan.spec.backbone_weights
    return {
        "config": config,
        "data_root": str(plan.data.root),
        "boxes": plan.data.boxes,
        "weights": str(Path(weights).resolve()) if config.get("weights") else None,
        "backbone_weights": str(Path(backbone_weights).resolve()) if config["backbone_weights"] else None,
        "base_checkpoint": str((store.base_dir(base) / "last.pt").resolve()) if base else None,
        "trained_checkpoint": str((store.cell_dir(trained) / "last.pt").resolve()) if trained else None,
        "device": plan.spec.device,
        "workers": plan.spec.workers,
        "batch_sizes": list(plan.spec.batch_sizes),
    }


def _write_rows(store: SweepStore, plan: Plan, differences: dict[str, Any]) -> list[dict[str, Any]]:
    timings = read_timings(store, [cell for cell in plan.cells if store.is_done(cell.key)], plan.spec)
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
    result = read_result(folder)
    if result is not None and result.get("input"):
        raise InputError(result["error"])


def _report_failure(name: str, error: str, outcome: Outcome, on_event: Listener) -> None:
    outcome.failed[name] = error
    on_event(Event("failed", name, info={"error": error}))
