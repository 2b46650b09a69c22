"""Accuracy against what it costs: counted multiply-adds, measured time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from .comparison import Point, Subject
from .curves import UNMASKED, Curve, Range, accuracy_curves, bars_note, clipped, draw, label, reference_line
from .figure import SIZE, batch_text, device_text, dress, note_lines
from .plot_style import BASELINE, LOOKS, MUTED, looks_for

COMPUTE_AXIS = "GFLOPsT (1e9 multiply-adds per image, exact)"
_LOG_FROM = 6.0


def accuracy_vs_gflops_t(subject: Subject) -> tuple[Figure, str] | None:
    """Accuracy over the exact count of the transformer part."""
    curves = compute_curves(subject)
    return _figure(subject, curves, "accuracy against compute", COMPUTE_AXIS) if curves else None


def accuracy_vs_latency(subject: Subject, size: int) -> tuple[Figure, str] | None:
    """Accuracy over the measured median latency of the whole model at one batch size."""

    def x_of(point: Point) -> tuple[float, Range | None, bool] | None:
        timing = point.timings.get(size)
        if not timing or not timing.whole:
            return None
        x = timing.whole.latency.mean
        half = (timing.whole.iqr or 0.0) / 2
        return x, ((x - half, x + half) if half else None), timing.whole.unstable

    curves = accuracy_curves(subject, x_of)
    axis = f"latency of the whole model (ms, median), batch size {size}{device_text(subject)}"
    return _figure(subject, curves, f"accuracy against latency, {batch_text(size)}", axis) if curves else None


def all_models(subjects: Sequence[Subject]) -> tuple[Figure, str] | None:
    """Accuracy against GFLOPsT of several subjects with the same metric: a colour each, a marker per mask."""
    per_subject = [(subject, compute_curves(subject)) for subject in subjects]
    per_subject = [(subject, curves) for subject, curves in per_subject if curves]
    if len(per_subject) < 2:
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    palette = list(LOOKS.values())
    masks = looks_for(name for subject, _ in per_subject for name in subject.series)
    look_of = {**masks, UNMASKED: BASELINE}
    drawn, handles = [], []
    for number, (subject, curves) in enumerate(per_subject):
        own = palette[number % len(palette)]
        drawn += [replace(curve, look=replace(look_of[curve.name], color=own.color, dark=own.dark)) for curve in curves]
        handles.append(Line2D([], [], color=own.color, linewidth=3, label=clipped(subject.label)))
    for name, look in look_of.items():
        line = "none" if look.line == "-" else look.line
        handles.append(Line2D([], [], color=MUTED, marker=look.marker, linestyle=line, label=clipped(name)))
    draw(axes, drawn)
    values = [mark.x for curve in drawn for mark in curve.marks]
    if min(values) > 0 and max(values) > _LOG_FROM * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(0.09, 0.1)
    metric = per_subject[0][0].metric
    axes.set_xlabel(COMPUTE_AXIS)
    axes.set_ylabel(metric.axis)
    note = note_lines("numbers: mask ratio", bars_note(drawn))
    dress(figure, f"All models: {metric.name} against compute", [], handles, note)
    label(axes, [curve for curve in drawn if curve.name != UNMASKED])
    return figure, f"{metric.name} against GFLOPsT of {', '.join(subject.label for subject, _ in per_subject)}."


def compute_curves(subject: Subject) -> list[Curve]:
    """A curve per mask of accuracy over the exact count of the transformer part."""
    return accuracy_curves(subject, lambda point: None if point.gflops_t is None else (point.gflops_t, None, False))


def _figure(subject: Subject, curves: list[Curve], topic: str, x_label: str) -> tuple[Figure, str]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    draw(axes, curves)
    axes.margins(0.09, 0.1)
    axes.set_xlabel(x_label)
    axes.set_ylabel(subject.metric.axis)
    if curves[-1].name == UNMASKED:
        reference_line(axes, curves[-1].marks[0].y)
    numbers = "numbers: mask ratio" if subject.series else ""
    dress(figure, f"{subject.label}: {topic}", curves, note=note_lines(numbers, bars_note(curves)))
    label(axes, curves)
    return figure, f"{subject.metric.name} against {x_label}, one line per mask: {', '.join(c.name for c in curves)}."
