"""Accuracy against counted multiply-adds."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..analysis.subject import Subject
from .accuracy_curves import COMPUTE_AXIS, IMAGES, accuracy_figure, compute_curves
from .plot import Plot, each_subject


def accuracy_vs_gflops_t(subject: Subject) -> tuple[Figure, str] | None:
    """Accuracy over the exact count of the transformer part."""
    curves = compute_curves(subject)
    return accuracy_figure(subject, curves, "accuracy against compute", COMPUTE_AXIS, IMAGES) if curves else None


PLOT = Plot("accuracy_vs_gflops_t", "Accuracy against compute", each_subject, accuracy_vs_gflops_t, "accuracy")
