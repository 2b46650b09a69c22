"""Accuracy of parts of the people or of their joints: where a mask loses most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...row import describe
from ..analysis.place import place_name
from ..analysis.results import spread
from ..analysis.subject import Point, Subject
from ..analysis.wording import signed
from .layout import Cell, Grid, Head, Line

#: by size of the person, by how crowded the image is, by joint
PARTS = (
    "ap_m", "ap_l", "ap_easy", "ap_medium", "ap_hard", "pckh_head", "pckh_shoulder", "pckh_elbow", "pckh_wrist",
    "pckh_hip", "pckh_knee", "pckh_ankle",
)  # fmt: skip


def parts_of(point: Point | None) -> dict[str, float]:
    """The means over the seeds by column, of those that were measured."""
    rows: Sequence[Mapping[str, Any]] = point.cells if point else ()
    found = {name: spread(row.get(name) for row in rows) for name in PARTS}
    return {name: over.mean for name, over in found.items() if over}


def where_it_hurts_table(subject: Subject) -> Grid | None:
    """One line per mask and ratio, behind each accuracy its difference to the unmasked model's; None where there are
    no two parts to compare."""
    before = parts_of(subject.baseline)
    names = [name for name in PARTS if name in before]
    if len(names) < 2 or not subject.points:
        return None
    heads = [Head("mask, ratio", numeric=False)]
    heads += [Head(describe(name).label.removeprefix("PCKh "), describe(name).unit) for name in names]
    rows = []
    for point in (subject.baseline, *subject.points):
        parts = parts_of(point)
        is_base = point is subject.baseline
        losses = {name: parts[name] - before[name] for name in names if name in parts}
        worst = min(losses, key=losses.__getitem__, default=None)
        cells = [Cell("unmasked" if is_base else f"{point.mask} {point.ratio:g}", kind="")]
        for name in names:
            if name not in parts:
                cells.append(Cell(""))
                continue
            digits = describe(name).digits
            aside = "" if is_base else signed(losses[name], digits)
            cells.append(Cell(f"{parts[name]:.{digits}f}", aside, "n worst" if name == worst and not is_base else "n"))
        rows.append(Line(cells, "baseline" if is_base else "", place_name(subject, point)))
    return Grid(f"{subject.label}: accuracy by part; shaded: where each loses most", heads, rows)


def sizes_of_parts(subjects: Sequence[Subject]) -> str:
    """What the columns are taken over, in one sentence."""
    names = dict.fromkeys(name for subject in subjects for name in parts_of(subject.baseline))
    scopes = [f"{column.label}: {column.scope}" for column in map(describe, names) if column.name.startswith("ap_")]
    joints = ["by joint: PCKh@0.5, mean of left and right"] if any(n.startswith("pckh_") for n in names) else []
    text = "; ".join([*scopes, *joints])
    return f"{text[:1].upper()}{text[1:]}. Differences to the unmasked model, without intervals." if text else ""
