"""What single images cost of a mask that keeps as many tokens as each needs: how it spreads, alone and in batches."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..analysis.subject import Over, Subject
from .accuracy_curves import COMPUTE_AXIS
from .curves import clipped
from .figure import SIZE, dress, note_lines
from .plot import Plot, each_subject
from .style import MUTED, PAPER, looks_for


def image_cost(subject: Subject) -> tuple[Figure, str] | None:
    """A bar from the 5th to the 95th percentile, a dot at the median, for single images and for each batch size filled
    up to the longest image; a line where the most that an image can cost is."""
    bars: list[tuple[str, str, Over, float]] = []
    for point in subject.points:
        if point.image_gflops_t:
            sizes = [(size, t.padded_gflops_t) for size, t in sorted(point.timings.items()) if t.padded_gflops_t]
            name = f"{clipped(point.mask, 18)} {point.ratio:g}"
            bars.append((point.mask, f"{name}, alone", point.image_gflops_t, point.gflops_t))
            bars += [(point.mask, f"in batches of {size}", over, point.gflops_t) for size, over in sizes if size > 1]
    if not bars:
        return None
    looks = looks_for(mask for mask, *_ in bars)
    figure = Figure(figsize=(SIZE[0], 1.7 + 0.3 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    for y, (mask, _, over, most) in enumerate(bars):
        color = looks[mask].color
        axes.plot([over.low, over.high], [y, y], color=color, linewidth=4, solid_capstyle="butt")
        axes.plot([over.middle], [y], color=color, marker="o", markeredgecolor=PAPER, markersize=7)
        axes.plot([most], [y], color=MUTED, marker="|", markersize=12, markeredgewidth=1.5)
    axes.set_yticks(range(len(bars)), [label for _, label, _, _ in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.margins(x=0.06)
    axes.set_xlabel(COMPUTE_AXIS)
    note = note_lines("bar: 5th to 95th percentile", "dot: median", "stroke: at most, which is what is executed")
    dress(figure, f"{subject.label}: what single images cost", [], note=note)
    told = [f"{name}: {o.low:.4g} to {o.high:.4g}, median {o.middle:.4g}, at most {m:.4g}" for _, name, o, m in bars]
    return figure, f"GFLOPsT per image. {'; '.join(told)}."


PLOT = Plot("image_cost", "What single images cost", each_subject, image_cost, "image_cost")
