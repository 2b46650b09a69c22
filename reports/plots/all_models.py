"""Accuracy against counted multiply-adds of several subjects together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ..analysis.subject import Subject
from ..analysis.told import MOST
from .accuracy_curves import COMPUTE_AXIS, IMAGES, compute_curves
from .curves import UNMASKED, bars_note, clipped, draw, label
from .figure import SIZE, dress, note_lines
from .plot import Plot, each_metric
from .style import BASELINE, MUTED, known_looks, looks_for

#: from this ratio of the largest to the smallest count on, the axis is logarithmic
_LOG_FROM = 6.0


def all_models(subjects: Sequence[Subject]) -> tuple[Figure, str] | None:
    """Accuracy against GFLOPsT of several subjects with the same metric: a colour each, a marker per mask."""
    per_subject = [(s, [curve for curve in compute_curves(s) if not curve.quiet]) for s in subjects]
    per_subject = [(subject, curves) for subject, curves in per_subject if curves]
    if len(per_subject) < 2:
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    palette = list(known_looks().values())
    names = {curve.name for _, curves in per_subject for curve in curves}
    masks = looks_for(name for subject, _ in per_subject for name in subject.series if name in names)
    told = all(names >= set(subject.series) for subject, _ in per_subject)
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
    some = "" if told else f"of each model the {MOST} masks that its own plot tells in colour"
    note = note_lines("numbers: mask ratio", bars_note(drawn, across=IMAGES), some)
    dress(figure, f"All models: {metric.name} against compute", [], handles, note)
    label(axes, [curve for curve in drawn if curve.name != UNMASKED])
    return figure, f"{metric.name} against GFLOPsT of {', '.join(subject.label for subject, _ in per_subject)}."


PLOT = Plot(
    "all_models", "All models: accuracy against compute", each_metric, all_models, "all_models", "accuracy_vs_gflops_t"
)
