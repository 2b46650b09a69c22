"""Accuracy over what it costs: the curves of a subject's masks, and the figure that shows them."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..analysis.subject import Point, Subject
from .curves import UNMASKED, Curve, Range, accuracy_curves, bars_note, draw, label, reference_line
from .figure import dress, note_lines, size_for

#: what a horizontal bar over compute is
IMAGES = "what single images cost, 5th to 95th percentile (the mark: at most)"
COMPUTE_AXIS = "GFLOPsT (1e9 multiply-adds per image, exact)"


def compute_curves(subject: Subject) -> list[Curve]:
    """A curve per mask of accuracy over the exact count of the transformer part."""

    def place(point: Point) -> tuple[float, Range | None, bool] | None:
        images = point.image_gflops_t
        across = (images.low, images.high) if images else None
        return None if point.gflops_t is None else (point.gflops_t, across, False)

    return accuracy_curves(subject, place)


def accuracy_figure(
    subject: Subject, curves: list[Curve], topic: str, x_label: str, across: str = "interquartile range"
) -> tuple[Figure, str]:
    """The curves of one subject over the axis `x_label`, and what is drawn in words."""
    figure = Figure(figsize=size_for(curves), layout="constrained")
    axes = figure.add_subplot()
    draw(axes, curves)
    axes.margins(0.09, 0.1)
    axes.set_xlabel(x_label)
    axes.set_ylabel(subject.metric.axis)
    if curves[-1].name == UNMASKED:
        reference_line(axes, curves[-1].marks[0].y)
    numbers = "numbers: mask ratio" if subject.series else ""
    dress(figure, f"{subject.label}: {topic}", curves, note=note_lines(numbers, bars_note(curves, across=across)))
    label(axes, curves)
    return figure, f"{subject.metric.name} against {x_label}, one line per mask: {', '.join(c.name for c in curves)}."
