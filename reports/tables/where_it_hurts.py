"""Accuracy of parts of the people, or of their joints: where a mask loses most."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...row import describe
from ..analysis.parts import Parts
from ..analysis.place import place_name
from ..analysis.results import spread
from ..analysis.subject import Point, Subject
from ..analysis.wording import signed
from .layout import Cell, Grid, Head, Line

#: columns of rows: by COCO's sizes, by how crowded the image is, by joint
_SIZES = ("ap_m", "ap_l")
_CROWDING = ("ap_easy", "ap_medium", "ap_hard")
_JOINTS = ("pckh_head", "pckh_shoulder", "pckh_elbow", "pckh_wrist", "pckh_hip", "pckh_knee", "pckh_ankle")
#: shades of what is lost, from the faintest
_SHADES = 4
NOTE = (
    "Means over the seeds, and behind them the differences to the unmasked model, without intervals. Small, middle and"
    " big: thirds of the images by the size of their people (root of the area), each scored by itself."
)
NOTE_JOINTS = (
    "Keypoint similarity: how near a joint comes to the truth, 1 at no distance, by the person's size and COCO's"
    " tolerance for that joint; the mean over a person's joints is OKS, from which AP is made (by joint: Ronchi and"
    " Perona, ICCV 2017). Here its mean over the annotated joints (so many), left and right together; those of a"
    " person who was not found have 0."
)


@dataclass(frozen=True)
class _Group:
    """Columns that share a unit and a scale. scores: of each point that was measured, by part; heads: by part."""

    title: str
    heads: Mapping[str, Head]
    scores: Sequence[Mapping[str, float]]
    digits: int
    full_scale: float


def where_it_hurts_table(
    subject: Subject, by_size: Parts, by_joint: Parts, ratio: float | None = None
) -> Grid | None:
    """One line per mask and ratio, or per mask at one ratio, behind each accuracy its difference to the unmasked
    model's; None where there are no two parts to compare."""
    if not subject.baseline or not subject.points:
        return None
    points = [subject.baseline, *(point for point in subject.points if ratio in (None, point.ratio))]
    groups = [group for group in _groups(subject, points, by_size, by_joint) if len(group.heads) > 1]
    if not groups:
        return None
    columns = [column for group in groups for column in _columns(group, subject.margin * group.full_scale)]
    rows = []
    for number, point in enumerate(points):
        is_base = point is subject.baseline
        name = Cell("unmasked" if is_base else f"{point.mask} {point.ratio:g}", kind="")
        cells = [name, *(column[number] for column in columns)]
        rows.append(Line(cells, "baseline" if is_base else "", place_name(subject, point)))
    heads = [Head("mask, ratio", numeric=False), *(head for group in groups for head in group.heads.values())]
    titles = [("", 1), *((group.title, len(group.heads)) for group in groups)]
    where = "" if ratio is None else f" at mask ratio {ratio:g}"
    return Grid(f"{subject.label}: accuracy by part{where}; the darker, the more is lost", heads, rows, titles)


def _groups(subject: Subject, points: Sequence[Point], by_size: Parts, by_joint: Parts) -> list[_Group]:
    metric = subject.metric

    def of_parts(title: str, parts: Parts, unit: str, digits: int, full_scale: float) -> _Group:
        scores = [_means(point, parts.about, parts.scores) for point in points]
        heads = {part: Head(part, unit.format(parts.about[part])) for part in parts.about if part in scores[0]}
        return _Group(title, heads, scores, digits, full_scale)

    def of_rows(title: str, names: Sequence[str]) -> _Group:
        scores = [_means(point, names) for point in points]
        labels = {name: describe(name) for name in names if name in scores[0]}
        heads = {name: Head(about.label.removeprefix("PCKh "), about.unit) for name, about in labels.items()}
        return _Group(title, heads, scores, metric.digits, metric.full_scale)

    return [
        of_parts(f"{metric.name} by size of people", by_size, "{}", metric.digits, metric.full_scale),
        of_rows("AP by COCO's sizes", _SIZES),
        of_rows("AP by how crowded", _CROWDING),
        of_rows("PCKh by joint", _JOINTS),
        of_parts("keypoint similarity", by_joint, "{} joints", 3, 1.0),
    ]


def _columns(group: _Group, margin: float) -> list[list[Cell]]:
    """Shades are of equal width, down to the largest loss of the group; none is narrower than the margin."""
    before = group.scores[0]
    losses = [{part: before[part] - own[part] for part in group.heads if part in own} for own in group.scores]
    width = max(margin, max((loss for own in losses for loss in own.values()), default=0) / _SHADES)
    columns = []
    for part in group.heads:
        cells = []
        for number, own in enumerate(group.scores):
            if part not in own:
                cells.append(Cell(""))
                continue
            shade = min(_SHADES, math.floor(losses[number][part] / width))
            aside = signed(-losses[number][part], group.digits) if number else ""
            cells.append(Cell(f"{own[part]:.{group.digits}f}", aside, f"n lost{shade}" if shade > 0 else "n"))
        columns.append(cells)
    return columns


def _means(
    point: Point, parts: Iterable[str], by_cell: Mapping[str, Mapping[str, float]] | None = None
) -> dict[str, float]:
    """The means over the seeds of those parts that were measured, in the rows or by their cells."""
    told = [row if by_cell is None else by_cell.get(row["cell"], {}) for row in point.cells]
    found = {part: spread(row.get(part) for row in told) for part in parts}
    return {part: over.mean for part, over in found.items() if over}
