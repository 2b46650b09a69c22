"""What single images cost under a reduction that keeps as many tokens as an image needs: alone, and in batches that are
filled up to their longest image.

The numbers of tokens are those that the cell's trained model kept of the people it was judged by (tokens.py). Counts
are in image_cost_<batch size>.json of the cell's folder, times in image_ms_<batch size>.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..pose.reductions import find_reduction
from ..row import ImageSpread, flat
from .config import CellConfig
from .store import SweepStore, read_json, write_json
from .tokens import chooses, stored_choices

Lengths = tuple[int, ...]
PERCENTILES = (5, 50, 95)


def is_adaptive(cell: CellConfig) -> bool:
    """Whether the images of a cell keep different numbers of tokens, so that each has its own cost."""
    return chooses(cell) and find_reduction(cell.model.reduction.name).adaptive


def image_columns(store: SweepStore, cell: CellConfig, batch_size: int) -> dict[str, Any]:
    """The columns of a done cell at a batch size, counted if need be; {} unless its reduction is adaptive, and its
    tokens are known."""
    if not is_adaptive(cell):
        return {}
    folder = store.cell_dir(cell.key)
    count_images(folder, cell, [batch_size])
    files = [folder / f"image_{what}_{batch_size}.json" for what in ("cost", "ms")]
    found = [read_json(file, "delete it, and it is done again") for file in files if file.is_file()]
    return {name: value for columns in found for name, value in columns.items() if name != "lengths"}


def count_images(folder: Path, cell: CellConfig, batch_sizes: Sequence[int]) -> None:
    """Write the counts that are still missing. The lengths at the percentiles of the count are noted for the clock."""
    from ..benchmark.counting.lengths import macs_by_lengths

    missing = [size for size in batch_sizes if not (folder / f"image_cost_{size}.json").is_file()]
    choices = stored_choices(folder) if missing else None
    if choices is None or choices.lengths is None:
        return
    alone = [tuple(map(int, row)) for row in choices.lengths]
    padded = {size: longest(alone, size) for size in missing}
    macs = macs_by_lengths(cell.model, [*alone, *(own for batches in padded.values() for own in batches)])
    for size, batches in padded.items():
        order = sorted(batches, key=macs.__getitem__)
        at = [order[round(percent / 100 * (len(order) - 1))] for percent in PERCENTILES]
        columns = {"lengths": [list(own) for own in at]}
        for name, found in (("image", alone), ("padded", batches)):
            columns |= flat(f"{name}_tokens", _spread([own[-1] for own in found]))
            columns |= flat(f"{name}_gflops_t", _spread([macs[own] / 1e9 for own in found]))
        write_json(folder / f"image_cost_{size}.json", columns)


def longest(lengths: Sequence[Lengths], size: int) -> list[Lengths]:
    """At each layer the most tokens of any image, for each batch of so many in a row; what does not fill one is left
    out, unless it is all there is."""
    whole = len(lengths) // size * size or len(lengths)
    batches = [lengths[start : start + size] for start in range(0, whole, size)]
    return [tuple(map(max, zip(*batch, strict=True))) for batch in batches]


def _spread(values: Sequence[float]) -> ImageSpread:
    return ImageSpread(float(np.mean(values)), *map(float, np.percentile(values, PERCENTILES)))
