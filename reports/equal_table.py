"""The table of the comparison at equal GFLOPsT."""

from __future__ import annotations

from collections.abc import Sequence

from ..pose.metrics import Metric
from .equal import Difference, EqualPoint, Standing, saved_text
from .grid import Cell, Grid, Head, Row
from .wording import signed

NOTE = (
    "Accuracy is interpolated linearly in GFLOPsT between the measured mask ratios around the point; the ratio is the"
    " one that it takes. Intervals: 95 %, bootstrap over images; those of differences are paired. Not told apart: the"
    " interval includes 0. A mask that saves no executed multiply-adds (connections that are cut but computed) is not"
    " in it."
)


def equal_table(points: Sequence[EqualPoint]) -> Grid:
    """One line per mask of one model; per point accuracy, the mask ratio it takes, differences to highest and random.

    A mask that cannot reach a point has empty cells there.
    """
    metric = points[0].metric
    masks = dict.fromkeys(standing.mask for point in points for standing in point.standings)
    has_random = any(standing.from_random for point in points for standing in point.standings)
    heads = [Head("mask", numeric=False)]
    groups = [("", 1)]
    for point in points:
        heads += [Head(metric.name, metric.unit), Head("mask ratio"), Head("to the highest", metric.name)]
        heads += [Head("to random", metric.name)] if has_random else []
        groups.append((f"{saved_text(point)} less: {point.gflops_t:.4g} GFLOPsT", 4 if has_random else 3))
    rows = []
    for mask in masks:
        cells = [Cell(mask, kind="")]
        for point in points:
            standing = next((found for found in point.standings if found.mask == mask), None)
            cells += _cells(standing, has_random, metric)
        rows.append(Row(cells))
    seeds = {standing.seeds for point in points for standing in point.standings} - {None}
    over = f", mean over {min(seeds)} seeds" if len(seeds) == 1 and min(seeds) > 1 else ""
    return Grid(f"{points[0].model} at equal GFLOPsT (1e9 MAC){over}", heads, rows, groups)


def _cells(standing: Standing | None, has_random: bool, metric: Metric) -> list[Cell]:
    if standing is None:
        return [Cell("")] * (4 if has_random else 3)
    digits = metric.digits
    interval = " to ".join(f"{end:.{digits}f}" for end in standing.interval or ())
    cells = [Cell(f"{standing.accuracy:.{digits}f}", interval, "n best" if standing.is_best else "n")]
    cells.append(Cell(f"{standing.ratio:.2f}"))
    cells.append(Cell("highest", kind="n best") if standing.is_best else _difference(standing.from_best, digits))
    if has_random:
        cells.append(_difference(standing.from_random, digits))
    return cells


def _difference(found: Difference | None, digits: int) -> Cell:
    if found is None:
        return Cell("")
    doubt = "" if found.is_told_apart else "\nnot told apart"
    return Cell(signed(found.mean, digits), f"{signed(found.low, digits)} to {signed(found.high, digits)}{doubt}")
