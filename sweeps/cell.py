"""The worker that runs one cell from end to end.

`python -m posebench.sweeps.cell FOLDER`: FOLDER/config.json is its task. What is there already is not done again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..pose.datasets import metric_of
from ..row import Score, flat
from .child import Reporter, run_worker
from .store import is_ok


def run_cell(folder: Path, task: dict[str, Any], reporter: Reporter) -> dict[str, Any] | None:
    """Memory first, while the process is fresh; then train or load, count, evaluate. Returns result.json's content, or
    None when it exists and only memory was missing. An elastic cell has no memory of its own.
    """
    import torch

    from ..benchmark.environment import conditions
    from ..benchmark.flops import flops_row
    from .work import Stopwatch, build_model, evaluate_model, load_start, measure_memory, train_model

    config = task["config"]
    torch.set_num_threads(config["threads"])
    stopwatch = Stopwatch()
    model = build_model(config)
    elastic = "train_ratio" in config
    if not elastic:
        with stopwatch("memory"):
            measure_memory(model, task, folder, reporter)
    if is_ok(folder):
        return None
    row: dict[str, Any] = {}
    load_start(model, task)
    if config["training"] != "weights" and task["trained_checkpoint"] is None:
        with stopwatch("training"):
            result = train_model(model, task, folder, reporter)
        if not elastic:
            row |= {"loss_final": result.history[-1]["loss"], "train_seconds": result.seconds}
    with stopwatch("evaluation"):
        found = evaluate_model(model, task, folder, reporter)
    with stopwatch("counting"):
        row |= flops_row(model.cpu())
        if elastic and not config["mask_ratio"]:
            row |= {"mask": _mask_in_training(config)}
    metric = metric_of(config["dataset"]).column
    row |= found.metrics | flat(metric, Score(found.metrics.get(metric), *found.ci.get(metric, ())))
    row |= {"eval_people": found.num_people, "eval_seconds": found.seconds}
    row |= conditions(task["device"], "float32", config["threads"], None)
    return {"row": row, "seconds": stopwatch.seconds, "metrics": found.metrics}


def _mask_in_training(config: dict[str, Any]) -> str:
    """What the model's mask is called, also where the ratio 0 leaves it none."""
    from .work import build_model

    highest = max(map(float, config["train_ratio"].split(",")))
    return build_model(config | {"mask_ratio": highest}).spec.mask


if __name__ == "__main__":
    run_worker(run_cell)
