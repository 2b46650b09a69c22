"""The frame around a plot: title, small print, legend."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..analysis.subject import Subject
from .curves import Curve, legend_handles
from .style import MUTED

#: inches; narrow, so that a phone shows the texts at a size that can be read
SIZE, CROWDED, TALL = (5.2, 4.3), (5.2, 5.6), (5.2, 7.0)
_LEGEND_ROWS = 3


def size_for(curves: Sequence[Curve]) -> tuple[float, float]:
    """Higher where there are more masks than can be told in colour."""
    return CROWDED if any(curve.quiet for curve in curves) else SIZE


def note_lines(*parts: str) -> str:
    """The small print above the axes, in lines that fit the figure."""
    return textwrap.fill("; ".join(part for part in parts if part), 77)


def dress(figure: Figure, title: str, curves: Sequence[Curve], extra: Sequence = (), note: str = "") -> None:
    """Title, small print and legend around the axes, then fix the layout: labels are placed by pixels afterwards."""
    handles = [*extra, *legend_handles(curves)]
    columns = _legend_columns([handle.get_label() for handle in handles])
    # A long legend makes the picture taller, not its axes lower.
    figure.set_figheight(figure.get_figheight() + 0.19 * max(0, math.ceil(len(handles) / columns) - _LEGEND_ROWS))
    title = textwrap.fill(title, 50, max_lines=3, placeholder=" …")
    title_lines = 1 + title.count("\n")
    height = figure.get_figheight()
    figure.text(0.015, 1 - 0.07 / height, title, ha="left", va="top", fontsize=11, fontweight="bold")
    small = 1 - (0.12 + title_lines * 0.185) / height
    figure.text(0.015, small, note, ha="left", va="top", fontsize=8.5, color=MUTED)
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, columnspacing=1.4, handlelength=1.8)
    lines = 1 + note.count("\n") if note else 0
    engine = figure.get_layout_engine()
    # The small print stands between the title and the axes, aligned with the title.
    top = (title_lines * 0.185 + lines * 0.155 + 0.12) / height
    engine.set(w_pad=0.1, h_pad=0.07, rect=(0, 0, 1, 1 - top))
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _legend_columns(labels: Sequence[str]) -> int:
    longest = max(map(len, labels), default=0)
    columns = 3 if len(labels) in (3, 5, 6, 9) else 4
    return min(columns, 2 if longest > 22 else 3 if longest > 14 else 4)


def batch_text(size: int) -> str:
    """The batch size in a title, where a line break must not part it."""
    return f"batch\N{NO-BREAK SPACE}{size}"


def device_text(subject: Subject) -> str:
    """ ", cpu" for an axis label; empty where no device was recorded."""
    return f", {subject.keys['device']}" if subject.keys["device"] else ""
