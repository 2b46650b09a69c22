"""From compared points to what a plot shows: marks with their bars, curves, and the drawing of both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle

from ...pose.reductions import Look
from ..analysis.place import place_name
from ..analysis.subject import Point, Subject
from ..analysis.told import told_masks
from .labels import Label, place
from .style import BASELINE, INK, MUTED, PAPER, looks_for

Range = tuple[float, float]
_QUIET = Look(MUTED, "", "o")
#: the name of the baseline's curve
UNMASKED = "unmasked"


@dataclass(frozen=True)
class Mark:
    """One point of a plot. `seeds` is the range of y over seeds, `interval` y's bootstrap interval, `across` x's range.

    `hollow` marks a measurement that is not to be relied on. `at`: its configuration (`place_name`).
    """

    x: float
    y: float
    text: str
    hollow: bool = False
    seeds: Range | None = None
    interval: Range | None = None
    across: Range | None = None
    at: str = ""


@dataclass(frozen=True)
class Curve:
    """One mask's marks by rising ratio; `start` is the unmasked model's mark, from which the line departs. `quiet`: one
    of those that are not told in colour."""

    name: str
    look: Look
    marks: Sequence[Mark]
    start: Mark | None = None
    quiet: bool = False


def accuracy_curves(subject: Subject, x_of: Callable[[Point], tuple[float, Range | None, bool] | None]) -> list[Curve]:
    """A curve per mask of accuracy over `x_of(point)` = (x, its range or None, hollow), the baseline's curve last."""

    def mark(point: Point | None, text: str) -> Mark | None:
        place = x_of(point) if point and point.accuracy else None
        if place is None:
            return None
        x, across, hollow = place
        over_seeds = point.accuracy
        seeds = (over_seeds.low, over_seeds.high) if over_seeds.n > 1 else None
        return Mark(x, over_seeds.mean, text, hollow, seeds, point.ci, across, place_name(subject, point))

    start = mark(subject.baseline, UNMASKED)
    looks = looks_for(subject.series)
    curves = []
    for name, points in subject.series.items():
        marks = [drawn for point in points if (drawn := mark(point, f"{point.ratio:g}"))]
        if marks:
            curves.append(Curve(name, looks[name], marks, start))
    if start:
        curves.append(Curve(UNMASKED, BASELINE, [start]))
    return quieted(curves, told_masks(subject))


def quieted(curves: Sequence[Curve], told: Collection[str]) -> list[Curve]:
    """The masks that are not told in grey, without bars, each named at its deepest mark; they come first, beneath."""

    def quiet(curve: Curve) -> Curve:
        bare = [replace(m, text="", hollow=False, seeds=None, interval=None, across=None) for m in curve.marks]
        return replace(curve, look=_QUIET, marks=[*bare[:-1], replace(bare[-1], text=curve.name)], quiet=True)

    loud = [curve for curve in curves if curve.name in told or curve.name == UNMASKED]
    return [*(quiet(curve) for curve in curves if curve not in loud), *loud]


def draw(axes: Axes, curves: Sequence[Curve]) -> None:
    """Lines, bars and markers of all curves; markers lie above every line and bar.

    In an SVG a marker's id is the number of its axes and `Mark.at`, by which the page's script finds its numbers.
    """
    panel = axes.figure.axes.index(axes)
    for curve in curves:
        line = [*([curve.start] if curve.start else []), *curve.marks]
        width = 0.8 if curve.quiet else None
        look = {"color": curve.look.color, "linestyle": curve.look.line, "linewidth": width, "zorder": 2}
        axes.plot([m.x for m in line], [m.y for m in line], **look)
        for mark in curve.marks:
            color = curve.look.color
            if mark.interval:
                axes.plot([mark.x] * 2, mark.interval, color=color, linewidth=0.8, zorder=2.2)
            if mark.seeds:
                axes.plot([mark.x] * 2, mark.seeds, color=color, linewidth=3.2, solid_capstyle="butt", zorder=2.4)
            if mark.across:
                axes.plot(mark.across, [mark.y] * 2, color=color, linewidth=0.8, zorder=2.2)
            size = 11 if curve.name == UNMASKED else 3 if curve.quiet else 6
            has_own_edge = mark.hollow or not MarkerStyle(curve.look.marker).is_filled()  # "x" is nothing but edge
            face, edge, width = (PAPER, color, 1.5) if has_own_edge else (color, PAPER, 0.7)
            look = {"marker": curve.look.marker, "markersize": size, "markeredgewidth": width, "linestyle": "none"}
            marker = {"color": color, "markerfacecolor": face, "markeredgecolor": edge, "zorder": 3} | look
            (drawn,) = axes.plot([mark.x], [mark.y], **marker)
            if mark.at:
                drawn.set_gid(f"at{panel}-{mark.at}")


def label(axes: Axes, curves: Sequence[Curve], avoid: Sequence[Sequence[Range]] = ()) -> int:
    """Write each mark's text beside it where there is room; how many found none. Needs the final layout.

    Texts rather stay off the curves, their bars and the polylines of `avoid`.
    """
    marks = [(curve, mark) for curve in curves for mark in curve.marks]
    labels = [
        Label(mark.x, mark.y, mark.text, INK if curve.look is BASELINE else curve.look.color)
        for curve, mark in sorted(marks, key=lambda pair: pair[0].name != UNMASKED)
        if mark.text
    ]
    lines = [*avoid]
    lines += [[(m.x, m.y) for m in [*([curve.start] if curve.start else []), *curve.marks]] for curve in curves]
    for _, mark in marks:
        for bar in (mark.interval, mark.seeds):
            if bar:
                lines.append([(mark.x, bar[0]), (mark.x, bar[1])])
        if mark.across:
            lines.append([(mark.across[0], mark.y), (mark.across[1], mark.y)])
    return place(axes, labels, [(mark.x, mark.y) for _, mark in marks], lines)


def legend_handles(curves: Sequence[Curve]) -> list[Line2D]:
    """One legend entry per mask that is told, one for all others; the unmasked model is named at its mark."""
    others = sum(curve.quiet for curve in curves)
    grey = Line2D([], [], color=MUTED, linewidth=0.8, marker=_QUIET.marker, markersize=3, label=f"{others} others")
    return [
        Line2D([], [], color=curve.look.color, linestyle=curve.look.line, marker=curve.look.marker, markersize=6,
               markeredgewidth=0 if MarkerStyle(curve.look.marker).is_filled() else 1.5, label=clipped(curve.name))
        for curve in curves
        if curve.name != UNMASKED and not curve.quiet
    ] + [grey] * bool(others)  # fmt: skip


def clipped(text: str, most: int = 32) -> str:
    """A name short enough for a legend."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def bars_note(curves: Sequence[Curve], interval: str = "", across: str = "interquartile range") -> str:
    """What the bars and hollow marks of these curves mean; only what is really drawn is explained. Unless given,
    intervals are those of accuracies."""
    marks = [mark for curve in curves for mark in curve.marks]
    interval = interval or f"95 % over people{' and trainings' if any(mark.seeds for mark in marks) else ''}"
    parts = []
    if any(mark.seeds for mark in marks):
        parts.append("thick bar: range over seeds")
    if any(mark.interval for mark in marks):
        parts.append(f"thin bar: {interval}")
    if any(mark.across for mark in marks):
        parts.append(f"horizontal: {across}")
    if any(mark.hollow for mark in marks):
        parts.append("hollow: unstable timing")
    if any(curve.quiet for curve in curves):
        parts.append("in colour: masks on the measured front first, then the most accurate")
    return "; ".join(parts)


def reference_line(axes: Axes, y: float) -> None:
    """A quiet dotted line at the unmasked model's value."""
    axes.axhline(y, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2.5)), zorder=1.5)
