"""Accuracy over compute, with the points at which masks are compared at equal GFLOPsT."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis.iso_flops import IsoFlopsPoint, saved_text
from ..analysis.subject import Subject
from .accuracy_curves import COMPUTE_AXIS, compute_curves
from .curves import UNMASKED, draw, label, reference_line
from .figure import dress, note_lines, size_for
from .plot import Plot, each_compared_model
from .style import INK, MUTED

#: two titles of points nearer than this share of the axis would touch
_NEAR = 0.14


def accuracy_at_iso_flops(subjects: Sequence[Subject], points: Sequence[IsoFlopsPoint]) -> tuple[Figure, str] | None:
    """Accuracy over GFLOPsT of one model's masks; a vertical line at each point that they are compared at.

    points: those of one model. None if no subject of that model has that accuracy and GFLOPsT of the masks compared.
    """
    metric = points[0].metric
    subject = _subject_of(subjects, points)
    curves = compute_curves(subject) if subject else []
    if not curves:
        return None
    figure = Figure(figsize=size_for(curves), layout="constrained")
    axes = figure.add_subplot()
    draw(axes, curves)
    axes.margins(0.09, 0.1)
    axes.set_xlabel(COMPUTE_AXIS)
    axes.set_ylabel(metric.axis)
    if curves[-1].name == UNMASKED:
        reference_line(axes, curves[-1].marks[0].y)
    _mark_points(axes, points)
    highest = f"ring: highest {metric.name} of those compared"
    note = note_lines("numbers: mask ratio", "dashed: compared here, at this saving of GFLOPsT", highest)
    dress(figure, f"{points[0].model}: {metric.name} at equal GFLOPsT", curves, note=note)
    label(axes, curves, [[(point.gflops_t, y) for y in axes.get_ylim()] for point in points])
    compared = ", ".join(f"{p.gflops_t:.4g} ({saved_text(p)} less, {p.best.mask} highest)" for p in points)
    masks = ", ".join(curve.name for curve in curves)
    return figure, f"{metric.name} against {COMPUTE_AXIS}, one line per mask: {masks}. Vertical lines at {compared}."


def _subject_of(subjects: Sequence[Subject], points: Sequence[IsoFlopsPoint]) -> Subject | None:
    """The model's subject that has most of the masks compared, at least one."""
    masks = {standing.mask for point in points for standing in point.standings}
    fitting = [
        subject
        for subject in subjects
        if (subject.keys["model"], subject.metric) == (points[0].model, points[0].metric)
        and masks & set(subject.series)
    ]
    return max(fitting, key=lambda subject: len(masks & set(subject.series)), default=None)


def _mark_points(axes: Axes, points: Sequence[IsoFlopsPoint]) -> None:
    """Quiet vertical lines, each with its saving above the axes and a ring around the best mask's curve."""
    low, high = axes.get_xlim()
    places = sorted(points, key=lambda point: point.gflops_t)
    names, taken = [], []  # taken: per line of titles, where its last one stands
    for point in places:
        axes.axvline(point.gflops_t, color=MUTED, linewidth=0.7, linestyle=(0, (5, 4)), zorder=1.5)
        ring = {"markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 1.2, "markersize": 10}
        axes.plot([point.gflops_t], [point.best.accuracy], linestyle="none", marker="o", zorder=4, **ring)
        room = [level for level, last in enumerate(taken) if point.gflops_t - last >= _NEAR * (high - low)]
        level = room[0] if room else len(taken)
        taken[level : level + 1] = [point.gflops_t]
        names.append(saved_text(point) + "\n" * level)
    axes.set_xlim(low, high)
    top = axes.secondary_xaxis("top")
    top.set_xticks([point.gflops_t for point in places], names)
    top.tick_params(length=0, labelsize=8.5, labelcolor=MUTED)
    top.spines["top"].set_visible(False)


PLOT = Plot(
    "accuracy_at_iso_flops", "Accuracy at equal GFLOPsT", each_compared_model, accuracy_at_iso_flops, "iso_flops",
    "accuracy_at_equal_gflopst",
)  # fmt: skip
