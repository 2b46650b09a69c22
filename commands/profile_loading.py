"""`posebench profile --data`: does training wait for its loader, or for its device?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..pose.errors import InputError
from .model_options import make_model
from .options import Bar, print_rows, set_threads


def print_loading(
    folder: Path,
    weights: Path | None,
    described: dict[str, Any],
    where: dict[str, Any],
    precision: str,
    threads: int | None,
    seconds: float,
    format: str,
    wide: bool,
    quiet: bool,
) -> None:
    """Loader against device, `where` as use_device takes it: a table and a sentence."""
    import dataclasses

    from ..benchmark.instruments.device import use_device
    from ..benchmark.profiling.loading import measure_loading
    from ..pose.models.zoo import is_tiny
    from ..pose.people.folder import detect_dataset, load_people
    from ..pose.training.recipe import AMP_DTYPES, TINY_RECIPE, paper_recipe

    if precision not in ("float32", *AMP_DTYPES):
        raise InputError(f"--precision {precision}: training is in float32 or, mixed, in {' or '.join(AMP_DTYPES)}")
    target = use_device(**where)
    set_threads(threads)
    which = detect_dataset(folder, described["dataset"])[0]
    made = make_model(weights=weights, use="trained", as_published=False, **described | {"dataset": which})
    recipe = TINY_RECIPE if is_tiny(made.spec.name) else paper_recipe(which)
    if precision != "float32":
        recipe = dataclasses.replace(recipe, amp=True, amp_dtype=precision)
    crops = {"input_size": made.spec.input_size, "convention": made.spec.convention}
    split = load_people(folder, "train", dataset=described["dataset"], **crops)
    with Bar("loading", quiet) as bar:
        rates = measure_loading(made, split, recipe, target, workers=_worker_counts(), seconds=seconds, progress=bar)
    rows = [
        {
            "loader_processes": workers,
            "loader_images_per_s": round(rate, 1),
            "device_images_per_s": round(rates.device, 1),
            "training_images_per_s": round(rates.trained(workers), 1),
        }
        for workers, rate in rates.loader.items()
    ]
    print_rows(rows, None, format, wide=wide)
    if format == "table":
        print(rates.sentence)


def _worker_counts() -> list[int]:
    """0, 1, 2, 4 .. and the number of cores that may be used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return sorted({0, cores, *(2**power for power in range(cores.bit_length()))})
