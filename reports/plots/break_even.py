"""What each reduction saves in each runtime, batch size by batch size, as a heat map with its numbers in it."""

from __future__ import annotations

import matplotlib
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from ..analysis.break_even import BreakEven
from ..analysis.verdicts import is_significant
from .figure import dress, note_lines
from .heat_map import readable_on
from .plot import Plot, each_break_even
from .style import MUTED, PAPER

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
    axes = figure.add_subplot()
    axes.grid(False)
    for y, (mask, ratio) in enumerate(rows):
        for x, (runtime, size) in enumerate(columns):
            saved = values.get((mask, ratio, runtime, size))
            if saved is None:
                hatched = dict(facecolor=PAPER, edgecolor=MUTED, hatch="////", linewidth=0.0, hatch_linewidth=0.6)
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **hatched))
                continue
            color = COLORS(scale(saved.share))
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor=PAPER, linewidth=1.0))
            text = f"{100 * saved.share:+.0f}"
            sure = saved.interval is not None and is_significant(*saved.interval)
            text = text if sure else f"({text})"
            axes.text(x, y, text, ha="center", va="center", color=readable_on(color), fontsize=_FONT_PT)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(range(len(columns)), [f"{runtime}\nbatch {size}" for runtime, size in columns], fontsize=_FONT_PT)
    axes.set_yticks(range(len(rows)), [f"{mask} {ratio:g}" for mask, ratio in rows])
    bar = figure.colorbar(ScalarMappable(scale, COLORS), ax=axes, shrink=0.92, aspect=22, pad=0.03)
    bar.set_label("share of time saved")
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    bar.outline.set_visible(False)
    bar.solids.set_rasterized(False)
    bar.solids.set_edgecolor("face")
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
