"""The training loss, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from ..analysis.findings import Findings
from ..analysis.place import place_name
from ..analysis.results import spread
from ..analysis.subject import Point, Subject
from ..analysis.training_logs import TrainingLogs
from .curves import UNMASKED, Curve, Mark, draw, label
from .figure import SIZE, dress, note_lines
from .plot import Case, Plot
from .style import BASELINE, MUTED, looks_for


def each_trained_subject(findings: Findings) -> Iterator[Case]:
    """draw(subject, logs)"""
    for subject in findings.subjects:
        if findings.logs.cells:
            yield Case((subject, findings.logs), subject.label)


def training_curves(subject: Subject, logs: TrainingLogs) -> tuple[Figure, str] | None:
    """Loss over epochs, mean over seeds: of the shared base model first, if there is one, then of each cell."""
    base = next(iter(logs.bases.values()), []) if len(logs.bases) == 1 and subject.keys["training"] != "scratch" else []
    looks = {**looks_for(subject.series), subject.baseline.mask if subject.baseline else "": BASELINE}
    start = Mark(*base[-1], "") if base else None
    curves = []
    deepest = [points[-1] for points in subject.series.values()]
    for point in (*([subject.baseline] if subject.baseline else []), *deepest):
        marks = _marks(subject, point, logs, base[-1][0] if base else 0)
        if marks:
            name = UNMASKED if point is subject.baseline else point.mask
            curves.append(Curve(name, looks[point.mask], marks, start))
    if not curves or len(base) + max(len(curve.marks) for curve in curves) < 2:
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    if base:
        axes.plot(*zip(*base, strict=True), color=MUTED, linewidth=1.4, zorder=2)
    draw(axes, curves)
    axes.margins(0.09, 0.1)
    axes.set_xlabel("epoch" + (" (grey: the base model, which all start from)" if base else ""))
    axes.set_ylabel("training loss, mean of the epoch")
    seeds = max(point.seeds for point in (*([subject.baseline] if subject.baseline else []), *subject.points))
    note = note_lines("numbers: mask ratio; of each mask its deepest", f"mean over {seeds} seeds" if seeds > 1 else "")
    legend = list({curve.name: curve for curve in curves}.values())
    dress(figure, f"{subject.label}: training loss", legend, note=note)
    label(axes, curves)
    ends = [(c.name if c.name == UNMASKED else f"{c.name} {c.marks[-1].text}", c.marks[-1].y) for c in curves]
    last = ", ".join(f"{name}: {loss:.3g}" for name, loss in ends)
    return figure, f"Training loss over epochs. At the end {last}."


def _marks(subject: Subject, point: Point, logs: TrainingLogs, before: int) -> Sequence[Mark]:
    """Only the last has a text and can be asked for its numbers."""
    own = [logs.cells[row["cell"]] for row in point.cells if row.get("cell") in logs.cells]
    epochs = sorted({epoch for curve in own for epoch, _ in curve})
    marks = []
    for epoch in epochs:
        mean = spread(loss for curve in own for at, loss in curve if at == epoch).mean
        is_last = epoch == epochs[-1]
        text = (UNMASKED if point is subject.baseline else f"{point.ratio:g}") if is_last else ""
        marks.append(Mark(before + epoch, mean, text, at=place_name(subject, point) if is_last else ""))
    return marks


PLOT = Plot("training_curves", "Training loss", each_trained_subject, training_curves, "training")
