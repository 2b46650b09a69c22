"""Which masks keep the same tokens, as a matrix of pairs."""

from __future__ import annotations

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..analysis.agreement import FREQUENCY, Agreement
from .curves import clipped
from .figure import SIZE, dress, note_lines
from .heat_map import readable_on
from .plot import Plot, each_agreement
from .style import PAPER

_COLORS = matplotlib.colormaps["cividis"]
_CELL_IN, _FONT_PT = 0.36, 7.5


def agreement_matrix(one: Agreement) -> tuple[Figure, str]:
    """Below the diagonal IoU, above it the rank correlation, on it a mask with itself across seeds.

    Colour: how far beyond chance, (value - by chance) / (1 - by chance); a correlation is 0 by chance.
    """
    names = [kept.mask for kept in one.masks]
    side = _CELL_IN * len(names)
    figure = Figure(figsize=(max(SIZE[0], 1.9 + side), max(3.4, 2.0 + side)), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(False)
    drawn: dict[tuple[int, int], tuple[float, float]] = {}
    for y, row in enumerate(names):
        for x, column in enumerate(names):
            pair = one.pairs.get((row, column))
            value = None if pair is None else pair.iou if x <= y else pair.rank
            if value is not None:
                chance = pair.chance if x <= y else 0.0
                drawn[x, y] = value, (value - chance) / (1 - chance) if chance < 1 else 1.0
    scale = Normalize(min(0.0, *(beyond for _, beyond in drawn.values())), 1.0)
    for (x, y), (value, beyond) in drawn.items():
        _cell(axes, x, y, f"{value:.2f}".replace("0.", ".", 1), _COLORS(scale(beyond)))
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for spine in ("left", "bottom"):
        axes.spines[spine].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(range(len(names)), [clipped(name, 18) for name in names], rotation=90)
    axes.set_yticks(range(len(names)), [clipped(name, 18) for name in names])
    bar = figure.colorbar(ScalarMappable(scale, _COLORS), ax=axes, shrink=0.8, aspect=24, pad=0.03)
    bar.set_label("beyond chance (0) towards the same (1)")
    bar.outline.set_visible(False)
    bar.solids.set_rasterized(False)
    bar.solids.set_edgecolor("face")
    note = note_lines(
        "below the diagonal: IoU of the kept cells", "above: rank correlation",
        "on it: IoU across seeds" if any(x == y for x, y in drawn) else "",
        "of scores where both have them, else of how often a cell is kept",
    )  # fmt: skip
    dress(figure, f"{one.model}, ratio {one.ratio:g}: tokens kept in common", [], note=note)
    return figure, _described(one)


def _cell(axes: Axes, x: int, y: int, text: str, color: tuple[float, ...]) -> None:
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor=PAPER, linewidth=0.8))
    axes.text(x, y, text, ha="center", va="center", color=readable_on(color), fontsize=_FONT_PT)


def _described(one: Agreement) -> str:
    """All values in words, for those who do not see the picture."""
    told = []
    for pair in one.between:
        rank = "" if pair.rank is None else f", rank correlation {pair.rank:.2f}"
        often = " of frequencies" if pair.by == FREQUENCY and rank else ""
        told.append(f"{pair.one} and {pair.other}: IoU {pair.iou:.2f} (by chance {pair.chance:.2f}){rank}{often}")
    return f"Tokens kept in common at mask ratio {one.ratio:g}. {'; '.join(told)}."


PLOT = Plot("agreement", "Tokens kept in common", each_agreement, agreement_matrix, "agreement")
