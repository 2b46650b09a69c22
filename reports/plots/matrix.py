"""Cells in rows and columns, coloured by their values and with these in them: what the heat maps share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .style import MUTED, PAPER

#: colours of their own, which the page does not change with the screen: a cell's colour stays, so must its text
_BLACK, _WHITE = "#000000", "#ffffff"


def matrix_axes(figure: Figure, rows: int, columns: int) -> Axes:
    """Axes on which the cell (x, y) is centred at x, y, the first row on top."""
    axes = figure.add_subplot()
    axes.grid(False)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    return axes


def fill_cell(axes: Axes, x: int, y: int, text: str, color: tuple[float, ...], edge: float = 1.0, **font: Any) -> None:
    """edge: width of the gap to the next; font: of the text."""
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor=PAPER, linewidth=edge))
    axes.text(x, y, text, ha="center", va="center", color=readable_on(color), **font)


def hatch_cell(axes: Axes, x: int, y: int) -> None:
    """A cell without a value."""
    hatched = dict(facecolor=PAPER, edgecolor=MUTED, hatch="////", linewidth=0.0, hatch_linewidth=0.6)
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **hatched))


def color_bar(
    figure: Figure, beside: Axes | Iterable[Axes], scale: Normalize, colors: Colormap, label: str, **where: Any
) -> Colorbar:
    """What the colours mean; where: as matplotlib's colorbar takes it."""
    bar = figure.colorbar(ScalarMappable(scale, colors), ax=beside, **where)
    bar.set_label(label)
    bar.outline.set_visible(False)
    # Drawn as shapes, each edge in its own colour: no picture inside the SVG, and no seams.
    bar.solids.set_rasterized(False)
    bar.solids.set_edgecolor("face")
    return bar


def readable_on(color: tuple[float, ...]) -> str:
    """Black or white, whichever contrasts more with an RGB `color` (0 to 1); at least 4.5 to 1, after WCAG 2."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    luminance = float(np.dot((0.2126, 0.7152, 0.0722), channels))
    return _BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else _WHITE
