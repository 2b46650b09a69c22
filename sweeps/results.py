"""From the stored results to the rows of results.csv: one per cell and batch size, one per elastic cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..pose.errors import InputError
from ..pose.evaluation.bootstrap import PairedDifference, paired_bootstrap
from ..row import Row, flat, part_of
from .cell_result import read_cell_result
from .config import CellConfig, ratios_text
from .image_cost import image_columns
from .origins import columns_of, origin_timings, read_origins
from .plan import Plan
from .store import SweepStore


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
        timed = timings.get(cell.timing_key) or origin_timings(store, cell, origins)
        for batch_size in plan.request.batch_sizes:
            timing = timed.get(str(batch_size), {})
            memory = store.memory(cell.key, batch_size) or {}
            images = image_columns(store, cell, batch_size) if store.is_done(cell.key) else {}
            rows.append(Row.of(row | memory | timing | images | {"batch_size": batch_size}).columns())
    return rows


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
        "loss_margin": plan.request.margin,
    }


def paired_differences(store: SweepStore, cells: list[CellConfig]) -> dict[str, PairedDifference]:
    """Accuracy minus that of the unmasked cell of the same model and seed, with its 95 % paired bootstrap interval.

    Only where both cells are done; NaN where nothing was scored. The baselines themselves have none.
    """
    baselines = {cell.group: cell.key for cell in cells if cell.is_baseline}
    differences = {}
    for cell in cells:
        base = baselines[cell.group]
        if cell.evaluates and not cell.is_baseline and store.is_done(cell.key) and store.is_done(base):
            differences[cell.key] = paired_bootstrap(read_evidence(store, cell.key), read_evidence(store, base))
    return differences


def read_evidence(store: SweepStore, key: str) -> dict[str, np.ndarray]:
    """What the evaluation of a cell left for comparisons; InputError naming the file where it is broken."""
    file = store.cell_dir(key) / "evidence.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # numpy and zipfile raise many kinds for a broken file
        raise InputError(f"{file}: cannot be read ({error}); delete the folder {file.parent} to run it again") from None
