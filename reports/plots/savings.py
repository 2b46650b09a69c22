"""What a cut in multiply-adds saves on the clock."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..analysis.place import place_name
from ..analysis.subject import Subject, saving
from ..analysis.told import told_masks
from .curves import Curve, Mark, bars_note, draw, label, quieted
from .figure import TALL, batch_text, device_text, dress, note_lines
from .plot import Plot, each_batch_size
from .style import INK, MUTED, looks_for

_PARTS = (
    ("transformer", "Transformer part (dashed: time falls as GFLOPsT does)"),
    ("whole", "Whole model (dashed: as GFLOPsT; dotted: as its own GFLOPs)"),
)


def savings(subject: Subject, size: int) -> tuple[Figure, str] | None:
    """Two panels over the saving in GFLOPsT: measured saving of the transformer part, and of the whole model."""
    base = subject.baseline.timings.get(size) if subject.baseline else None
    if base is None:
        return None
    panels = [(title, _saving_curves(subject, size, part)) for part, title in _PARTS]
    every = [curve for _, curves in panels for curve in curves]
    if not every:
        return None
    figure = Figure(figsize=TALL, layout="constrained")
    both = figure.subplots(2, 1, sharex=True)
    end = max(mark.x for curve in every for mark in curve.marks) * 1.08
    for axes, (title, curves) in zip(both, panels, strict=True):
        draw(axes, curves)
        axes.plot([0, end], [0, end], color=MUTED, linewidth=0.9, linestyle=(0, (5, 3)), zorder=1.5)
        axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1.2)
        axes.set_title(title, color=INK, fontsize=9.5)
        axes.set_ylabel("measured saving of latency")
        axes.margins(0.06, 0.1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    dotted = []
    for points in subject.series.values():
        counted = [(saving(p.gflops_t, subject.baseline.gflops_t), saving(p.gflops, subject.baseline.gflops))
                   for p in points]  # fmt: skip
        counted = [(0.0, 0.0), *((x, y) for x, y in counted if x is not None and y is not None)]
        dotted.append(counted)
        both[1].plot(*zip(*counted, strict=True), color=INK, linewidth=1.1, linestyle=(0, (1, 1.8)), zorder=1.6)
    note = note_lines("numbers: mask ratio", bars_note(every, "95 % interval of the ratio to unmasked"))
    both[1].set_xlabel(f"counted saving of GFLOPsT; batch size {size}{device_text(subject)}")
    title = f"{subject.label}: counted and measured saving, {batch_text(size)}"
    dress(figure, title, list({curve.name: curve for curve in every}.values()), note=note)
    for axes, (_, curves) in zip(both, panels, strict=True):
        label(axes, curves, [[(0, 0), (end, end)], *dotted])
    what = "transformer part and whole model"
    return figure, f"Measured saving of latency against the counted saving of GFLOPsT, {what}, at batch size {size}."


def _saving_curves(subject: Subject, size: int, part: str) -> list[Curve]:
    """Per mask: x counted saving of GFLOPsT, y measured saving; bars over seeds, and of the paired interval."""
    before = getattr(subject.baseline.timings[size], part)
    looks = looks_for(subject.series)
    curves = []
    for name, points in subject.series.items():
        marks = []
        for point in points:
            timing = point.timings.get(size)
            now = getattr(timing, part) if timing else None
            x = saving(point.gflops_t, subject.baseline.gflops_t)
            if x is None or now is None or before is None:
                continue
            # The interval belongs to the ratio, which is of the very samples that it was taken from.
            ratio, low, high = now.ratio[:3] if now.ratio else (now.median.mean / before.median.mean, None, None)
            ends = now.median
            seeds = (1 - ends.high / before.median.mean, 1 - ends.low / before.median.mean)
            marks.append(
                Mark(
                    x,
                    1 - ratio,
                    f"{point.ratio:g}",
                    hollow=now.unstable or before.unstable,
                    seeds=seeds if ends.low < ends.high else None,
                    interval=None if low is None else (1 - high, 1 - low),
                    at=place_name(subject, point),
                )
            )
        if marks:
            curves.append(Curve(name, looks[name], marks, Mark(0.0, 0.0, "")))
    return quieted(curves, told_masks(subject))


PLOT = Plot(
    "theoretical_vs_realised_saving", "Counted and measured saving of time", each_batch_size, savings, "saving"
)
