"""The table of the comparison at equal GFLOPsT."""

from __future__ import annotations

from collections.abc import Sequence

from ...pose.metrics import Metric
from ..analysis.iso_flops import Difference, IsoFlopsPoint, Standing, saved_text
from ..analysis.wording import signed
from .layout import Cell, Grid, Head, Line

NOTE = (
    "Where ratios were swept, accuracy is interpolated (PCHIP) in GFLOPsT between the measured mask ratios, and the"
    " ratio is the one that it takes; where budgets were, measured cells are compared. Intervals: 95 %, people and,"
    " with several seeds, trainings; those of the differences at one point are paired and hold all together (max-T), so"
    " that the best may be picked by looking. Not told apart: the interval includes 0. A mask that saves no executed"
    " multiply-adds (connections that are cut but computed) is not in it."
)


def iso_flops_table(points: Sequence[IsoFlopsPoint]) -> Grid:
    """One line per mask of one model; per point accuracy, the mask ratio it takes, differences to the highest and to
    the strongest control.

    A mask that cannot reach a point has empty cells there.
    """
    metric = points[0].metric
    masks = dict.fromkeys(standing.mask for point in points for standing in point.standings)
    has_control = any(standing.from_controls for point in points for standing in point.standings)
    heads = [Head("mask", numeric=False)]
    groups = [("", 1)]
    for point in points:
        heads += [Head(metric.name, metric.unit), Head("mask ratio"), Head("to the highest", metric.name)]
        control = point.control.mask if point.control else None
        heads += [Head(f"to {control}" if control else "to the control", metric.name)] if has_control else []
        groups.append((f"{saved_text(point)} less: {point.gflops_t:.4g} GFLOPsT", 4 if has_control else 3))
    rows = []
    for mask in masks:
        cells = [Cell(mask, kind="")]
        for point in points:
            standing = next((one for one in point.standings if one.mask == mask), None)
            control = point.control.mask if point.control else None
            cells += _cells(standing, has_control, control, metric)
        rows.append(Line(cells))
    seeds = {standing.seeds for point in points for standing in point.standings} - {None}
    over = f", mean over {min(seeds)} seeds" if len(seeds) == 1 and min(seeds) > 1 else ""
    return Grid(f"{points[0].model} at equal GFLOPsT (1e9 MAC){over}", heads, rows, groups)


def _cells(standing: Standing | None, has_control: bool, control: str | None, metric: Metric) -> list[Cell]:
    if standing is None:
        return [Cell("")] * (4 if has_control else 3)
    digits = metric.digits
    interval = " to ".join(f"{end:.{digits}f}" for end in standing.interval or ())
    cells = [Cell(f"{standing.accuracy:.{digits}f}", interval, "n best" if standing.is_best else "n")]
    cells.append(Cell(f"{standing.ratio:.2f}"))
    cells.append(Cell("highest", kind="n best") if standing.is_best else _difference(standing.from_best, digits))
    if has_control:
        cells.append(_difference(standing.from_controls.get(control or ""), digits))
    return cells


def _difference(difference: Difference | None, digits: int) -> Cell:
    if difference is None:
        return Cell("")
    doubt = "" if difference.is_significant else "\nnot told apart"
    mean, low, high = (signed(end, digits) for end in (difference.mean, difference.low, difference.high))
    return Cell(mean, f"{low} to {high}{doubt}")
