"""Which masks keep the same tokens, as a matrix of pairs."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..analysis.agreement import FREQUENCY, Agreement
from .curves import clipped
from .figure import SIZE, dress, note_lines
from .matrix import color_bar, fill_cell, matrix_axes
from .plot import Plot, each_agreement

_COLORS = matplotlib.colormaps["cividis"]
_CELL_IN, _FONT_PT = 0.36, 7.5


def agreement_matrix(one: Agreement) -> tuple[Figure, str]:
    """Below the diagonal IoU, above it the rank correlation, on it a mask with itself across seeds.

    Colour: how far beyond chance, (value - by chance) / (1 - by chance); a correlation is 0 by chance.
    """
    names = [kept.mask for kept in one.masks]
    side = _CELL_IN * len(names)
    figure = Figure(figsize=(max(SIZE[0], 1.9 + side), max(3.4, 2.0 + side)), layout="constrained")
    axes = matrix_axes(figure, len(names), len(names))
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
        fill_cell(axes, x, y, f"{value:.2f}".replace("0.", ".", 1), _COLORS(scale(beyond)), 0.8, fontsize=_FONT_PT)
    axes.set_xticks(range(len(names)), [clipped(name, 18) for name in names], rotation=90)
    axes.set_yticks(range(len(names)), [clipped(name, 18) for name in names])
    told = "beyond chance (0) towards the same (1)"
    color_bar(figure, axes, scale, _COLORS, told, shrink=0.8, aspect=24, pad=0.03)
    note = note_lines(
        "below the diagonal: IoU of the kept cells", "above: rank correlation",
        "on it: IoU across seeds" if any(x == y for x, y in drawn) else "",
        "of scores where both have them, else of how often a cell is kept",
    )  # fmt: skip
    dress(figure, f"{one.model}, ratio {one.ratio:g}: tokens kept in common", [], note=note)
    return figure, _described(one)


def _described(one: Agreement) -> str:
    """All values in words, for those who do not see the picture."""
    told = []
    for pair in one.between:
        rank = "" if pair.rank is None else f", rank correlation {pair.rank:.2f}"
        often = " of frequencies" if pair.by == FREQUENCY and rank else ""
        told.append(f"{pair.one} and {pair.other}: IoU {pair.iou:.2f} (by chance {pair.chance:.2f}){rank}{often}")
    return f"Tokens kept in common at mask ratio {one.ratio:g}. {'; '.join(told)}."


PLOT = Plot("agreement", "Tokens kept in common", each_agreement, agreement_matrix, "agreement")
