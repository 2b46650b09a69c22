"""The plots of a report, drawn without pyplot and its global state; each is saved as PNG and as SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from ..pose.files import write_atomic
from .accuracy_plots import accuracy_vs_gflops_t, accuracy_vs_latency, all_models
from .comparison import Subject
from .count_plot import exact_vs_published
from .elastic import Matrix
from .equal import EqualPoint
from .equal_plot import accuracy_at_equal_gflopst
from .heat_map import heat_map
from .plot_style import style
from .saving_plot import savings

KINDS = (
    "all_models",
    "accuracy_vs_gflops_t",
    "accuracy_vs_latency",
    "accuracy_at_equal_gflopst",
    "elastic",
    "theoretical_vs_realised_saving",
    "exact_vs_published_count",
)
_PNG_DPI = 200


@dataclass
class Drawing:
    """One finished plot. `about` names subject (and batch size) where a report has several; `alt` describes it.

    `stem` is how its file name begins, `name` the whole of it without ending.
    """

    kind: str
    about: str
    alt: str
    png: bytes = field(repr=False)
    svg: str = field(repr=False)
    stem: str = ""
    name: str = ""


def draw_all(
    subjects: Sequence[Subject], matrices: Sequence[Matrix] = (), equal: Sequence[EqualPoint] = ()
) -> list[Drawing]:
    """Every plot for which the subjects, elastic matrices and points of equal GFLOPsT have data; all are named.

    A file is named after its kind (elastic: kind and mask) where that is drawn once; several get the subject (and
    batch size) appended. The plot of all models together is accuracy_vs_gflops_t.
    """
    drawings: list[Drawing] = []
    with style():
        for metric in dict.fromkeys(subject.metric for subject in subjects):
            same_metric = [subject for subject in subjects if subject.metric == metric]
            drawings += _finish("all_models", metric.name, all_models(same_metric), "accuracy_vs_gflops_t")
        for subject in subjects:
            drawings += _finish("accuracy_vs_gflops_t", subject.label, accuracy_vs_gflops_t(subject))
            drawings += _finish("exact_vs_published_count", subject.label, exact_vs_published(subject))
            for size in subject.batch_sizes:
                about = f"{subject.label}, batch size {size}"
                drawings += _finish("accuracy_vs_latency", about, accuracy_vs_latency(subject, size))
                drawings += _finish("theoretical_vs_realised_saving", about, savings(subject, size))
        for model in dict.fromkeys(point.model for point in equal):
            points = [point for point in equal if point.model == model]
            drawings += _finish("accuracy_at_equal_gflopst", model, accuracy_at_equal_gflopst(subjects, points))
        for matrix in matrices:
            drawings += _finish("elastic", matrix.label, heat_map(matrix), f"elastic_{_slug(matrix.mask)}")
    for kind, stem in dict.fromkeys((drawing.kind, drawing.stem) for drawing in drawings):
        same = [drawing for drawing in drawings if (drawing.kind, drawing.stem) == (kind, stem)]
        for drawing in same:
            drawing.name = stem if len(same) == 1 else f"{stem}-{_slug(drawing.about)}"
        for number, drawing in enumerate(same, 1):
            # Two labels may differ only in signs that a file name cannot hold.
            if sum(other.name == drawing.name for other in same) > 1:
                drawing.name = f"{drawing.name}-{number}"
    return drawings


def save_all(drawings: Sequence[Drawing], folder: Path) -> None:
    """Write <name>.png and <name>.svg of each drawing into `folder`, each whole or not at all."""
    for drawing in drawings:
        write_atomic(folder / f"{drawing.name}.png", drawing.png)
        write_atomic(folder / f"{drawing.name}.svg", drawing.svg)


def _finish(kind: str, about: str, drawn: tuple[Figure, str] | None, stem: str | None = None) -> list[Drawing]:
    return [Drawing(kind, about, drawn[1], _png(drawn[0]), _svg(drawn[0]), stem or kind)] if drawn else []


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=nothing)
    return buffer.getvalue()


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "_", text).strip("_.") or "unnamed"
