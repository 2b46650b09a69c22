"""From the stored results to the rows of results.csv: one per cell, runtime and batch size, one per elastic
cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ..benchmark.profiling.config import RunConfig
from ..pose.evaluation.bootstrap import PairedDifference, load_evidence, paired_bootstrap
from ..row import Row, Score, flat, part_of
from .cell_result import read_cell_result
from .config import CellConfig, ratios_text, run_name, timing_key
from .image_cost import image_columns
from .origins import columns_of, origin_timings, read_origins
from .plan import Plan
from .request import SweepRequest
from .store import SweepStore
from .timing import runs_asked, runs_evaluated

#: columns of an evaluation that say by whom it was made, whatever came of it
_JUDGED_BY = {"eval_people", "eval_batch"}


def assemble_rows(
    store: SweepStore, plan: Plan, timings: Mapping[str, Any], differences: Mapping[str, PairedDifference]
) -> list[dict[str, Any]]:
    """Rows of all cells that have a result, failed ones included, in the grid's order.

    timings: key of what is executed -> batch size (as text) -> latency columns (see timing.py). differences: cell key
    -> difference to the unmasked cell. InputError for a value that has no column.
    """
    rows = []
    origins = read_origins(store)
    for cell in plan.cells:
        result = read_cell_result(store.cell_dir(cell.key))
        if result is None:
            continue
        row = asked_columns(cell, plan) | {"status": result.status, "error": result.error} | result.columns
        row |= columns_of(store, cell, origins)
        if cell.key in differences:
            metric = cell.metric.column
            difference, low, high = differences[cell.key]
            row |= flat(metric, replace(part_of(row, metric), diff=difference, diff_low=low, diff_high=high))
        if cell.is_elastic:
            rows.append(Row.of(row).columns())
            continue
        for run, batch_size in product(runs_asked(cell.run, plan.request), plan.request.batch_sizes):
            timed = timings.get(timing_key(cell.executed, run)) or origin_timings(store, cell, origins, run)
            timing = timed.get(str(batch_size), {})
            about = {"batch_size": batch_size, "runtime": run.runtime, "dtype": run.dtype}
            memory = (store.memory(cell.key, batch_size) or {}) if run == cell.run else {}
            own = _in_run(cell, run, result.accuracy, store, differences)
            images = image_columns(store, cell, batch_size) if run == cell.run and store.is_done(cell.key) else {}
            rows.append(Row.of(row | memory | timing | images | own | about).columns())
    return rows


def _in_run(
    cell: CellConfig,
    run: RunConfig,
    first: Mapping[str, Any],
    store: SweepStore,
    differences: Mapping[str, PairedDifference],
) -> dict[str, Any]:
    """The accuracy of a cell in another precision than it was evaluated in first; none of the first's stays."""
    if run.dtype == cell.run.dtype:
        return {}
    metric, key = cell.metric.column, f"{cell.key} {run_name(run)}"
    scored = dict.fromkeys(first.keys() - _JUDGED_BY) | flat(metric, Score())
    own = scored | store.evaluated(cell.key, run)
    if key in differences:
        difference, low, high = differences[key]
        own |= flat(metric, replace(part_of(own, metric), diff=difference, diff_low=low, diff_high=high))
    return own


def asked_columns(cell: CellConfig, plan: Plan) -> dict[str, Any]:
    """The columns that are known before a cell has run."""
    model, recipe = cell.model, cell.train.recipe
    return {
        "cell": cell.key,
        "model": model.name,
        "dataset": model.dataset,
        "data_dir": str(plan.data.root) if cell.evaluates else None,
        "input_size": "x".join(map(str, model.input_size)),
        "mask": model.mask,
        "mask_ratio": model.mask_ratio,
        "train_ratio": ratios_text(cell.trained_at) or None,
        "seed": cell.seed,
        "as_published": model.as_published,
        "training": cell.train.mode,
        "epochs": cell.train.epochs,
        "train_people": plan.data.train_people if recipe else 0,
        "eval_people": plan.data.eval_people if cell.evaluates else 0,
        "boxes": plan.data.boxes if cell.evaluates else None,
        "flip_test": cell.eval.flip_test if cell.evaluates else None,
        "amp": recipe is not None and recipe.amp,
        "threads": cell.run.threads,
        "device": cell.run.device,
        "runtime": cell.run.runtime,
        "loss_margin": plan.request.margin,
    }


def paired_differences(
    store: SweepStore, cells: list[CellConfig], request: SweepRequest
) -> dict[str, PairedDifference]:
    """Accuracy minus that of the unmasked cell of the same model, seed and base model, with its 95 % paired bootstrap
    interval, by the cell's key; in another precision also by key and run ("key run"), against the unmasked cell in the
    same.

    Only where both cells are done; NaN where nothing was scored. The baselines themselves have none.
    """
    begun = {cell.key: cell.train.start.base for cell in cells}
    baselines = {(cell.group, begun[cell.key]): cell.key for cell in cells if cell.is_baseline}
    differences = {}
    for cell in cells:
        base = baselines.get((cell.group, begun.get(cell.trained.cell if cell.trained else cell.key)))
        compares = base is not None and cell.evaluates and not cell.is_baseline
        if compares and store.is_done(cell.key) and store.is_done(base):
            differences[cell.key] = paired_bootstrap(read_evidence(store, cell.key), read_evidence(store, base))
            for run in runs_evaluated(cell, request):
                name = run_name(run)
                if all((store.cell_dir(key) / f"evidence_{name}.npz").is_file() for key in (cell.key, base)):
                    pair = [read_evidence(store, key, f"evidence_{name}.npz") for key in (cell.key, base)]
                    differences[f"{cell.key} {name}"] = paired_bootstrap(*pair)
    return differences


def read_evidence(store: SweepStore, key: str, name: str = "evidence.npz") -> dict[str, np.ndarray]:
    """What the evaluation of a cell left for comparisons; InputError naming the file where it is broken."""
    return load_evidence(store.cell_dir(key) / name)
