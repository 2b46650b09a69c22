"""The same models counted in two ways, beside the clock."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..analysis.place import place_name
from ..analysis.series import mask_name
from ..analysis.subject import Subject
from ..analysis.told import told_masks
from .curves import Curve, Mark, bars_note, draw, label
from .figure import SIZE, device_text, dress, note_lines
from .plot import Plot, each_subject
from .style import INK, MUTED, Look, looks_for

_EXACT, _PUBLISHED = Look(INK, "", ""), Look(MUTED, "", "", (0, (4, 2)))
#: counts further than this share of the unmasked one from the first mask's get lines in their mask's own colour
_APART = 0.03


def exact_vs_published(subject: Subject) -> tuple[Figure, str] | None:
    """What is left of GFLOPsT, by the exact count and by the published convention, and of the measured latency."""
    base = subject.baseline
    if base is None or not base.gflops_t or not base.published_gflops_t or not subject.series:
        return None
    size = next((size for size in subject.batch_sizes if size in base.timings), None)
    before = base.timings[size].transformer if size is not None else None
    looks, told = looks_for(subject.series), told_masks(subject)
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    curves, counts = [], []
    for name, points in subject.series.items():
        both = [p for p in points if p.gflops_t is not None and p.published_gflops_t is not None]
        exact = [Mark(p.ratio, p.gflops_t / base.gflops_t, f"{p.gflops_t / base.gflops_t:.0%}") for p in both]
        published = [p.published_gflops_t / base.published_gflops_t for p in both]
        counted = [Mark(p.ratio, y, f"{y:.0%}") for p, y in zip(both, published, strict=True)]
        counts += [
            _counted("exact count", _EXACT, exact, counts[:1], looks[name]),
            _counted("published convention", _PUBLISHED, counted, counts[1:2], looks[name]),
        ]
        marks = []
        # Latencies of masks hardly differ: side by side they can be told apart.
        aside = 0.012 * (len(curves) - (len(told) - 1) / 2)
        for point in points if name in told else ():
            timing = point.timings.get(size)
            if before and timing and timing.transformer:
                now = timing.transformer
                left = now.median.mean / before.median.mean
                shaky = now.unstable or before.unstable
                marks.append(Mark(point.ratio + aside, left, "", shaky, at=place_name(subject, point)))
        if marks:
            curves.append(Curve(name, looks[name], marks))
    for number, curve in enumerate(counts):
        line = [curve.start, *curve.marks]
        look = {"color": curve.look.color, "linestyle": curve.look.line, "linewidth": 1.2}
        axes.plot([m.x for m in line], [m.y for m in line], label=curve.name if number < 2 else None, **look)
    for curve in curves:
        draw(axes, [Curve(curve.name, curve.look, [mark]) for mark in curve.marks])
    axes.set_ylim(0, 1.06 * max([1.0, *(mark.y for curve in curves for mark in curve.marks)]))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    cutting = dict.fromkeys(mask_name(point.mask) for point in subject.points if point.keeps_all_tokens)
    connections = f"; {', '.join(cutting)}: of connections" if cutting else " dropped"
    axes.set_xlabel(textwrap.fill(f"mask ratio (fraction of the visual tokens{connections})", 58))
    axes.set_ylabel("share of the unmasked model's")
    axes.margins(x=0.07)
    some = "" if len(told) == len(subject.series) else f", of {len(told)} masks"
    timed = f"markers: measured latency of the transformer, batch size {size}{device_text(subject)}{some}"
    what = timed if curves else ""
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    own = [curve.look.color for curve in counts if curve.look.color not in (INK, MUTED)]
    note = note_lines("lines: GFLOPsT" + (", coloured where a mask's differ" if own else ""), what, bars_note(curves))
    named = {curve.name for curve in curves}
    unnamed = [name for name in subject.series if looks[name].color in own and name not in named]
    colours = [Curve(name, replace(looks[name], marker=""), []) for name in unnamed]
    dress(figure, f"{subject.label}: two ways to count", [*curves, *colours], lines, note)
    # One number at a ratio would claim to be every mask's where their counts differ.
    common = [first for n, first in enumerate(counts[:2]) if all(c.look is first.look for c in counts[n::2])]
    label(axes, [*common, *curves])
    latency = ", beside the measured latency of the transformer part" if curves else ""
    return figure, f"What is left of GFLOPsT at each mask ratio, counted exactly and by the published rule{latency}."


def _counted(name: str, look: Look, marks: Sequence[Mark], first: Sequence[Curve], own: Look) -> Curve:
    """A mask's line of one count, in the mask's own colour where it lies apart from the first mask's line."""
    known = {mark.x: mark.y for curve in first for mark in curve.marks}
    apart = any(abs(mark.y - known[mark.x]) > _APART for mark in marks if mark.x in known)
    return Curve(name, replace(look, color=own.color) if apart else look, marks, Mark(0.0, 1.0, ""))


PLOT = Plot("exact_vs_published_count", "What is left, by two ways to count", each_subject, exact_vs_published, "count")
