"""Accuracy against measured time."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..analysis.subject import Point, Subject
from .accuracy_curves import accuracy_figure
from .curves import Range, accuracy_curves
from .figure import batch_text, device_text
from .plot import Plot, each_batch_size


def accuracy_vs_latency(subject: Subject, size: int) -> tuple[Figure, str] | None:
    """Accuracy over the measured median latency of the whole model at one batch size."""

    def x_of(point: Point) -> tuple[float, Range | None, bool] | None:
        timing = point.timings.get(size)
        if not timing or not timing.whole:
            return None
        x = timing.whole.median.mean
        half = (timing.whole.iqr or 0.0) / 2
        return x, ((x - half, x + half) if half else None), timing.whole.unstable

    curves = accuracy_curves(subject, x_of)
    axis = f"latency of the whole model (ms, median), batch size {size}{device_text(subject)}"
    return accuracy_figure(subject, curves, f"accuracy against latency, {batch_text(size)}", axis) if curves else None


PLOT = Plot("accuracy_vs_latency", "Accuracy against latency", each_batch_size, accuracy_vs_latency, "accuracy")
