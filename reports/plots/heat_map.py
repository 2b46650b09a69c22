"""The matrix of trained by evaluated mask ratios, as a heat map with its numbers in it."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..analysis.elastic import Matrix, trained_name
from .figure import SIZE, dress, note_lines
from .plot import Plot, each_matrix
from .style import MUTED, PAPER

#: perceptually uniform, and the same to readers with and without a colour vision deficiency (Nuñez et al. 2018)
COLORS = matplotlib.colormaps["cividis"]
#: colours of their own, which the page does not change with the screen: a cell's colour stays, so must its text
_BLACK, _WHITE = "#000000", "#ffffff"
_FONT_PT = 9.0
_WIDTH_IN, _HEIGHT_IN = 0.62, 0.46


def heat_map(matrix: Matrix) -> tuple[Figure, str] | None:
    """Rows: mask ratio in training. Columns: at evaluation. Colour and text: the accuracy, mean over seeds."""
    rows, columns = len(matrix.trained), len(matrix.tested)
    values = [accuracy.mean for accuracy in matrix.cells.values()]
    if not values:
        return None
    low, high = min(values), max(values)
    margin = 0.0 if high > low else max(abs(high) * 0.01, 1e-3)
    scale = Normalize(low - margin, high + margin)
    size = (max(SIZE[0], 1.9 + _WIDTH_IN * columns), max(3.2, 1.9 + _HEIGHT_IN * rows))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(False)
    for y, trained in enumerate(matrix.trained):
        for x, tested in enumerate(matrix.tested):
            _draw_cell(axes, x, y, matrix, trained, tested, scale)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    several_drawn = sum(len(trained) > 1 for trained in matrix.trained) > 1
    names = [trained_name(trained, several_drawn) for trained in matrix.trained]
    axes.set_xticks(range(columns), ["unmasked" if ratio == 0 else f"{ratio:g}" for ratio in matrix.tested])
    axes.set_yticks(range(rows), [name.replace("drawn ", "drawn\n") for name in names])
    axes.set_xlabel("mask ratio at evaluation")
    axes.set_ylabel("mask ratio in training")
    _add_bar(figure, axes, matrix, scale)
    is_spread = any(accuracy.std is not None for accuracy in matrix.cells.values())
    gaps = len(matrix.cells) < rows * columns
    note = note_lines(
        f"{matrix.metric.name}, mean{' ± std' if is_spread else ''} over seeds" if is_spread else matrix.metric.name,
        "framed: evaluated as trained",
        "hatched: not evaluated" if gaps else "",
    )
    dress(figure, f"{matrix.label}, {matrix.mask}: trained at one ratio, evaluated at another", [], note=note)
    return figure, _described(matrix, names)


def _draw_cell(axes, x: int, y: int, matrix: Matrix, trained: tuple, tested: float, scale: Normalize) -> None:
    accuracy = matrix.cells.get((trained, tested))
    corner = (x - 0.5, y - 0.5)
    if accuracy is None:
        axes.add_patch(
            Rectangle(corner, 1, 1, facecolor=PAPER, edgecolor=MUTED, hatch="////", linewidth=0.0, hatch_linewidth=0.6)
        )
        return
    color = COLORS(scale(accuracy.mean))
    ink = readable_on(color)
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=color, edgecolor=PAPER, linewidth=1.0))
    if trained == (tested,):
        axes.add_patch(Rectangle((x - 0.44, y - 0.44), 0.88, 0.88, fill=False, edgecolor=ink, linewidth=1.0))
    text = f"{accuracy.mean:.{matrix.metric.digits}f}"
    if accuracy.std is not None:
        text += f"\n± {accuracy.std:.{matrix.metric.digits}f}"
    axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=_FONT_PT, linespacing=1.15)


def readable_on(color: tuple[float, ...]) -> str:
    """Black or white, whichever contrasts more with an RGB `color` (0 to 1); at least 4.5 to 1, after WCAG 2."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    luminance = float(np.dot((0.2126, 0.7152, 0.0722), channels))
    return _BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else _WHITE


def _add_bar(figure: Figure, axes, matrix: Matrix, scale: Normalize) -> None:
    bar = figure.colorbar(ScalarMappable(scale, COLORS), ax=axes, shrink=0.92, aspect=22, pad=0.03)
    bar.set_label(matrix.metric.axis)
    bar.outline.set_visible(False)
    # Drawn as shapes, each edge in its own colour: no picture inside the SVG, and no seams.
    bar.solids.set_rasterized(False)
    bar.solids.set_edgecolor("face")


def _described(matrix: Matrix, names: list[str]) -> str:
    """All values in words, for those who do not see the picture."""
    rows = []
    for trained, name in zip(matrix.trained, names, strict=True):
        values = [
            f"{accuracy.mean:.{matrix.metric.digits}f} at {tested:g}"
            for tested in matrix.tested
            if (accuracy := matrix.cells.get((trained, tested)))
        ]
        rows.append(f"trained {name if not name[0].isdigit() else f'at {name}'}: {', '.join(values)}")
    return f"{matrix.metric.axis} by mask ratio in training and at evaluation. {'; '.join(rows)}."


PLOT = Plot("elastic", "Accuracy by mask ratio in training and at evaluation", each_matrix, heat_map, "elastic")
