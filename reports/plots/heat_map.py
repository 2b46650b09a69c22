"""The matrix of trained by evaluated mask ratios, as a heat map with its numbers in it."""

from __future__ import annotations

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..analysis.elastic import Matrix, trained_name
from .figure import SIZE, dress, note_lines
from .matrix import color_bar, fill_cell, hatch_cell, matrix_axes, readable_on
from .plot import Plot, each_matrix

#: perceptually uniform, and the same to readers with and without a colour vision deficiency (Nuñez et al. 2018)
COLORS = matplotlib.colormaps["cividis"]
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
    axes = matrix_axes(figure, rows, columns)
    for y, trained in enumerate(matrix.trained):
        for x, tested in enumerate(matrix.tested):
            _draw_cell(axes, x, y, matrix, trained, tested, scale)
    several_drawn = sum(len(trained) > 1 for trained in matrix.trained) > 1
    names = [trained_name(trained, several_drawn) for trained in matrix.trained]
    axes.set_xticks(range(columns), ["unmasked" if ratio == 0 else f"{ratio:g}" for ratio in matrix.tested])
    axes.set_yticks(range(rows), [name.replace("drawn ", "drawn\n") for name in names])
    axes.set_xlabel("mask ratio at evaluation")
    axes.set_ylabel("mask ratio in training")
    color_bar(figure, axes, scale, COLORS, matrix.metric.axis, shrink=0.92, aspect=22, pad=0.03)
    is_spread = any(accuracy.std is not None for accuracy in matrix.cells.values())
    gaps = len(matrix.cells) < rows * columns
    note = note_lines(
        f"{matrix.metric.name}, mean{' ± std' if is_spread else ''} over seeds" if is_spread else matrix.metric.name,
        "framed: evaluated as trained",
        "hatched: not evaluated" if gaps else "",
    )
    dress(figure, f"{matrix.label}, {matrix.mask}: trained at one ratio, evaluated at another", [], note=note)
    return figure, _described(matrix, names)


def _draw_cell(axes: Axes, x: int, y: int, matrix: Matrix, trained: tuple, tested: float, scale: Normalize) -> None:
    accuracy = matrix.cells.get((trained, tested))
    if accuracy is None:
        hatch_cell(axes, x, y)
        return
    color = COLORS(scale(accuracy.mean))
    text = f"{accuracy.mean:.{matrix.metric.digits}f}"
    if accuracy.std is not None:
        text += f"\n± {accuracy.std:.{matrix.metric.digits}f}"
    fill_cell(axes, x, y, text, color, fontsize=_FONT_PT, linespacing=1.15)
    if trained == (tested,):
        frame = {"fill": False, "edgecolor": readable_on(color), "linewidth": 1.0}
        axes.add_patch(Rectangle((x - 0.44, y - 0.44), 0.88, 0.88, **frame))


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
