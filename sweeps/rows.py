"""From the stored results to the rows of results.csv: one per cell and batch size, one per elastic cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..pose.datasets import metric_of
from ..pose.errors import InputError
from ..pose.evaluation.bootstrap import PairedDifference, paired_bootstrap
from ..row import Row, flat, part_of
from .grid import Cell
from .plan import Plan
from .store import SweepStore


def assemble_rows(
    store: SweepStore, plan: Plan, timings: Mapping[str, Any], differences: Mapping[str, PairedDifference]
) -> list[dict[str, Any]]:
    """Rows of all cells that have a result, failed ones included, in the grid's order.

    timings: key of what is executed -> batch size (as text) -> latency columns (see sweeps/timing.py). differences:
    cell key -> difference to the unmasked cell. InputError for a value that has no column.
    """
    rows = []
    for cell in plan.cells:
        result = store.result(cell.key)
        if result is None:
            continue
        row = asked_columns(cell, plan) | {"status": result["status"], "error": result.get("error", "")}
        row |= result.get("row", {})
        if cell.key in differences:
            metric = metric_of(cell.config["dataset"]).column
            difference, low, high = differences[cell.key]
            row |= flat(metric, replace(part_of(row, metric), diff=difference, diff_low=low, diff_high=high))
        if cell.is_elastic:
            rows.append(Row.of(row).columns())
            continue
        for batch_size in plan.spec.batch_sizes:
            timing = timings.get(cell.timing_key, {}).get(str(batch_size), {})
            memory = store.memory(cell.key, batch_size) or {}
            rows.append(Row.of(row | memory | timing | {"batch_size": batch_size}).columns())
    return rows


def asked_columns(cell: Cell, plan: Plan) -> dict[str, Any]:
    """The columns that are known before a cell has run."""
    config = cell.config
    recipe = config["recipe"] or {}
    height, width = config["input_size"]
    trained = {"train_ratio": config["train_ratio"]} if cell.is_elastic else {}
    return trained | {
        "cell": cell.key,
        "model": config["model"],
        "dataset": config["dataset"],
        "data_dir": str(plan.data.root),
        "input_size": f"{height}x{width}",
        "mask": config["mask"],
        "mask_ratio": config["mask_ratio"],
        "seed": config["seed"],
        "as_published": config["as_published"],
        "training": config["training"],
        "epochs": recipe.get("epochs", 0),
        "train_people": plan.data.train_people if recipe else 0,
        "eval_people": plan.data.eval_people,
        "boxes": plan.data.boxes,
        "flip_test": config["evaluation"]["flip_test"],
        "amp": config["amp"],
        "threads": config["threads"],
        "device": config["device"],
        "loss_margin": plan.spec.margin,
    }


def baseline_of(cell: Cell, cells: list[Cell]) -> Cell:
    """The unmasked cell of the same model and seed."""
    return next(other for other in cells if other.is_baseline and other.group == cell.group)


def paired_differences(store: SweepStore, cells: list[Cell]) -> dict[str, PairedDifference]:
    """Accuracy minus that of the unmasked cell of the same model and seed, with its 95 % paired bootstrap interval.

    Only where both cells are done; NaN where nothing was scored. The baselines themselves have none.
    """
    differences = {}
    for cell in cells:
        base = baseline_of(cell, cells)
        if not cell.is_baseline and store.is_done(cell.key) and store.is_done(base.key):
            differences[cell.key] = paired_bootstrap(read_evidence(store, cell.key), read_evidence(store, base.key))
    return differences


def read_evidence(store: SweepStore, key: str) -> dict[str, np.ndarray]:
    """What the evaluation of a cell left for comparisons; InputError naming the file where it is broken."""
    file = store.cell_dir(key) / "evidence.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # numpy and zipfile raise many kinds for a broken file
        raise InputError(f"{file}: cannot be read ({error}); delete the folder {file.parent} to run it again") from None
