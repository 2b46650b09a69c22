"""From the stored results to the rows of results.csv: one per cell and batch size, one per elastic cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..pose.errors import InputError
from ..pose.evaluation.bootstrap import paired_bootstrap
from ..reports.columns import BY_NAME
from .grid import Cell
from .plan import Plan
from .store import SweepStore

Difference = tuple[float, float, float]


def assemble_rows(
    store: SweepStore, plan: Plan, timings: Mapping[str, Any], differences: Mapping[str, Difference]
) -> list[dict[str, Any]]:
    """Rows of all cells that have a result, failed ones included, in the grid's order.

    timings: key of what is executed -> batch size (as text) -> latency columns (see sweeps/timing.py). differences: cell key ->
    AP difference to the unmasked cell, low, high.
    """
    rows = []
    for cell in plan.cells:
        result = store.result(cell.key)
        if result is None:
            continue
        row = asked_columns(cell, plan) | {"status": result["status"], "error": result.get("error", "")}
        row |= result.get("row", {})
        if cell.key in differences:
            row |= dict(zip(("ap_diff", "ap_diff_low", "ap_diff_high"), differences[cell.key], strict=True))
        if cell.is_elastic:
            rows.append(_known(row))
            continue
        for batch_size in plan.spec.batch_sizes:
            timing = timings.get(cell.timing_key, {}).get(str(batch_size), {})
            memory = store.memory(cell.key, batch_size) or {}
            rows.append(_known(row | memory | timing | {"batch_size": batch_size}))
    return rows


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in BY_NAME}


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
    }


def baseline_of(cell: Cell, cells: list[Cell]) -> Cell:
    """The unmasked cell of the same model and seed."""
    return next(other for other in cells if other.is_baseline and other.group == cell.group)


def ap_differences(store: SweepStore, cells: list[Cell]) -> dict[str, Difference]:
    """AP minus that of the unmasked cell of the same model and seed, with the 95 % interval of a paired bootstrap.

    Only where both cells are done, and where there is an AP (COCO); the baselines themselves have none.
    """
    differences = {}
    for cell in cells:
        base = baseline_of(cell, cells)
        if cell.is_baseline or cell.config["dataset"] != "coco":
            continue
        if not (store.is_done(cell.key) and store.is_done(base.key)):
            continue
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
