"""What `train`, `eval` and others take of data: the folder, what it holds, and who reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..sweeps.checked import MOST_THREADS
from .model_options import DATA_FOLDER, DATASET_NAMES
from .options import Bar, whole

if TYPE_CHECKING:
    from ..pose.datasets import Dataset

Data = Annotated[Path | None, typer.Option(help=f"{DATA_FOLDER} (default: the embedded set, made once)")]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", help=f"what the folder holds: {DATASET_NAMES} (default: its files tell)")
]
Workers = Annotated[int, whole("loader processes", 0, MOST_THREADS)]


def data_folder(data: Path | None, dataset: str | None, quiet: bool) -> tuple[Path, Dataset]:
    """The data folder (the embedded set, made if need be, where none is given) and what it holds."""
    from ..pose.people.folder import detect_dataset
    from ..pose.synth.cache import ensure_default_set

    if data is None:
        with Bar("embedded data set", quiet) as bar:
            data = ensure_default_set(bar)
    return data, detect_dataset(data, dataset)[0]
