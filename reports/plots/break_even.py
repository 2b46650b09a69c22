"""What each reduction saves in each runtime, batch size by batch size, as a heat map with its numbers in it."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..analysis.break_even import BreakEven
from ..analysis.verdicts import is_significant
from .figure import dress, note_lines
from .matrix import color_bar, fill_cell, hatch_cell, matrix_axes
from .plot import Plot, each_break_even

#: diverging around "as fast as unmasked", told apart without colour vision too
COLORS = matplotlib.colormaps["PuOr"]
_FONT_PT = 8.0
_WIDTH_IN, _HEIGHT_IN = 0.62, 0.3


def break_even_map(found: list[BreakEven]) -> tuple[Figure, str] | None:
    """Rows: mask and ratio. Columns: runtime and batch size. Colour and text: the share of time saved, in percent.

    What is not shown to save or to cost is in brackets: its paired 95 % interval holds 0, or its timing was unstable.
    """
    rows = list(dict.fromkeys((one.mask, ratio) for one in found for ratio in one.ratios))
    columns = list(dict.fromkeys((one.runtime, size) for one in found for size in one.batch_sizes))
    values = {
        (one.mask, ratio, one.runtime, size): saved for one in found for (size, ratio), saved in one.saved.items()
    }
    if not values:
        return None
    most = max(0.05, *(abs(saved.share) for saved in values.values()))
    scale = TwoSlopeNorm(0.0, -most, most)
    figure = Figure(
        figsize=(max(5.2, 2.0 + _WIDTH_IN * len(columns)), max(3.0, 1.6 + _HEIGHT_IN * len(rows))), layout="constrained"
    )
    axes = matrix_axes(figure, len(rows), len(columns))
    for y, (mask, ratio) in enumerate(rows):
        for x, (runtime, size) in enumerate(columns):
            saved = values.get((mask, ratio, runtime, size))
            if saved is None:
                hatch_cell(axes, x, y)
                continue
            text = f"{100 * saved.share:+.0f}"
            sure = saved.interval is not None and is_significant(*saved.interval)
            fill_cell(axes, x, y, text if sure else f"({text})", COLORS(scale(saved.share)), fontsize=_FONT_PT)
    axes.set_xticks(range(len(columns)), [f"{runtime}\nbatch {size}" for runtime, size in columns], fontsize=_FONT_PT)
    axes.set_yticks(range(len(rows)), [f"{mask} {ratio:g}" for mask, ratio in rows])
    bar = color_bar(figure, axes, scale, COLORS, "share of time saved", shrink=0.92, aspect=22, pad=0.03)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    one = found[0]
    part = "whole model" if one.part == "whole" else "transformer part"
    gaps = len(values) < len(rows) * len(columns)
    note = note_lines(
        "percent of the unmasked model's time in the same runtime; + saves, - costs",
        "in brackets: not shown to do either",
        "hatched: not measured" if gaps else "",
    )
    dress(figure, f"{one.place['model']}: what each reduction saves, {part}", [], note=note)
    told = [f"{mask} {ratio:g} in {runtime} at batch {size}: {100 * saved.share:+.0f} %"
            for (mask, ratio, runtime, size), saved in values.items()]  # fmt: skip
    return figure, f"Share of time saved, {part}. {'; '.join(told)}."


PLOT = Plot("break_even", "What each reduction saves in each runtime", each_break_even, break_even_map, "break_even")
