"""The worker that trains a shared base model: the unmasked model that cells are fine-tuned from.

`python -m posebench.sweeps.base FOLDER`: FOLDER/config.json is its task. It goes on from its last checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .child import Reporter, run_worker


def train_base(folder: Path, task: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Train on the task's data; leaves last.pt. Returns the content of result.json."""
    import torch

    from .work import build_model, load_start, train_model

    config = task["config"]
    torch.set_num_threads(config["threads"])
    model = build_model(config | {"mask": "none", "mask_ratio": 0.0})
    load_start(model, task)
    result = train_model(model, task, folder, reporter)
    return {"row": {"loss_final": result.history[-1]["loss"], "train_seconds": result.seconds}}


if __name__ == "__main__":
    run_worker(train_base)
