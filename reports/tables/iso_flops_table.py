"""The table of the comparison at equal GFLOPsT."""

from __future__ import annotations

from collections.abc import Sequence

from ...pose.metrics import Metric
from ..analysis.iso_flops import Difference, IsoFlopsPoint, Standing, saved_text
from ..analysis.verdicts import ONE_TRAINING
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
    """Per point of one model, a line for each mask: accuracy, the ratio that it takes, differences to the highest and
    to the strongest control. A mask that cannot reach a point has no line there.
    """
    metric = points[0].metric
    has_control = any(standing.from_controls for point in points for standing in point.standings)
    controls = {point.control.mask for point in points if point.control}
    heads = [Head("saving"), Head("GFLOPsT"), Head("mask", numeric=False), Head("mask ratio")]
    heads += [Head(metric.name, metric.unit), Head("95 % interval"), Head("to the highest", metric.name)]
    label = f"to {next(iter(controls))}" if len(controls) == 1 else "to the strongest control"
    heads += [Head(label, metric.name)] if has_control else []
    rows = []
    for point in points:
        control = point.control.mask if point.control else None
        for number, standing in enumerate(point.standings):
            cells = [Cell(f"{saved_text(point)} less"), Cell(f"{point.gflops_t:.4g}"), Cell(standing.mask, kind="")]
            cells += _cells(standing, has_control, control, metric)
            rows.append(Line(cells, "first" if rows and not number else ""))
    seeds = {standing.seeds for point in points for standing in point.standings} - {None}
    over = ""
    if len(seeds) == 1:
        over = f", mean over {min(seeds)} seeds" if min(seeds) > 1 else f"; {ONE_TRAINING}"
    return Grid(f"{points[0].model} at equal GFLOPsT (1e9 MAC){over}", heads, rows)


def _cells(standing: Standing, has_control: bool, control: str | None, metric: Metric) -> list[Cell]:
    digits = metric.digits
    interval = " to ".join(f"{end:.{digits}f}" for end in standing.interval or ())
    cells = [Cell(f"{standing.ratio:.2f}")]
    cells += [Cell(f"{standing.accuracy:.{digits}f}", "", "n best" if standing.is_best else "n"), Cell(interval)]
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
