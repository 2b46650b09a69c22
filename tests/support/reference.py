"""Numbers measured on the published reference implementations; data/README.md says on which, and what each is."""

import gzip
import json
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data"


def arrays(topic: str) -> dict[str, np.ndarray]:
    """The arrays of data/reference_<topic>.npz, by name."""
    with np.load(DATA / f"reference_{topic}.npz") as content:
        return dict(content)


def counts() -> dict[str, dict]:
    """Reference model -> its parameters and multiply-adds, exact and as published."""
    return json.loads((DATA / "reference_counts.json").read_text())


def state_dict_shapes(model: str) -> dict[str, list[int]]:
    """Name -> shape of the entries of a reference model's state dict, in its order."""
    with gzip.open(DATA / "reference_state_dicts.json.gz", "rt") as file:
        return json.load(file)[model]
