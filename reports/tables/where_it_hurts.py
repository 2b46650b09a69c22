"""Accuracy of parts of the people or of their joints: where a mask loses most."""

from __future__ import annotations

from ...row import describe
from ..analysis.by_size import BySize
from ..analysis.place import place_name
from ..analysis.results import spread
from ..analysis.subject import Point, Subject
from ..analysis.wording import signed
from .layout import Cell, Grid, Head, Line

#: by COCO's sizes, by how crowded the image is, by joint
PARTS = (
    "ap_m", "ap_l", "ap_easy", "ap_medium", "ap_hard", "pckh_head", "pckh_shoulder", "pckh_elbow", "pckh_wrist",
    "pckh_hip", "pckh_knee", "pckh_ankle",
)  # fmt: skip
NOTE = (
    "Means over the seeds, and behind them the differences to the unmasked model, without intervals. Small, middle and"
    " big: thirds of the images by the size of their people (root of the area), each scored by itself."
)


def where_it_hurts_table(subject: Subject, by_size: BySize) -> Grid | None:
    """One line per mask and ratio, behind each accuracy its difference to the unmasked model's; None where there are
    no two parts to compare."""
    before = _parts(subject.baseline, by_size)
    names = [name for name in (*by_size.sizes, *PARTS) if name in before]
    if len(names) < 2 or not subject.points:
        return None
    metric = subject.metric
    heads = [Head("mask, ratio", numeric=False)]
    for name in names:
        own = f"{metric.name}, {by_size.sizes[name]}" if name in by_size.sizes else describe(name).unit
        heads.append(Head(name if name in by_size.sizes else describe(name).label.removeprefix("PCKh "), own))
    rows = []
    for point in (subject.baseline, *subject.points):
        parts, is_base = _parts(point, by_size), point is subject.baseline
        losses = {name: parts[name] - before[name] for name in names if name in parts}
        worst = min(losses, key=losses.__getitem__, default=None) if not is_base else None
        cells = [Cell("unmasked" if is_base else f"{point.mask} {point.ratio:g}", kind="")]
        for name in names:
            if name in parts:
                aside = "" if is_base else signed(losses[name], metric.digits)
                cells.append(Cell(f"{parts[name]:.{metric.digits}f}", aside, "n worst" if name == worst else "n"))
            else:
                cells.append(Cell(""))
        rows.append(Line(cells, "baseline" if is_base else "", place_name(subject, point)))
    return Grid(f"{subject.label}: accuracy by part; shaded where each loses most", heads, rows)


def _parts(point: Point | None, by_size: BySize) -> dict[str, float]:
    """The means over the seeds by part, of those that were measured."""
    rows = point.cells if point else ()
    found = {name: spread(row.get(name) for row in rows) for name in PARTS}
    found |= {size: spread(by_size.scores.get(row["cell"], {}).get(size) for row in rows) for size in by_size.sizes}
    return {name: over.mean for name, over in found.items() if over}
