"""Two pictures of where a saving goes: a roofline of the operators, and the time of each part before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from ...pose.files import write_atomic
from .drawing import to_png, to_svg
from .figure import dress, note_lines
from .style import INK, MUTED, PAPER, style

#: after Okabe and Ito (2008), as the masks' colours
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d00", "#6f4fa0", "#a4243b", "#4f5b66")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
_LABELLED = 0.02  # share of the time from which on a bar's piece is drawn


def roofline(rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> Figure:
    """Achieved multiply-adds per second over multiply-adds per byte moved, of each part's products, under the machine's
    ceilings. Hollow: without a mask; filled: with it. The area is the share of the time."""
    points = [row for row in rows if row["part"] not in ("all", "transformer") and row["operator"] != "all"]
    points = [row for row in points if row["macs_before"] or row["macs_after"]]
    peak, copy = summary["ceiling_macs_per_s"] / 1e9, summary["ceiling_bytes_per_s"] / 1e9
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_yscale("log")
    handles, seen = [], []
    total = max(summary["whole_ms_before"], 1e-12)
    for number, row in enumerate(points):
        color, marker = _COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)]
        places = []
        for which, face in (("before", PAPER), ("after", color)):
            rate, moved = row[f"gmacs_per_s_{which}"], row[f"mb_{which}"]
            if not rate or not moved:
                continue
            place = row[f"macs_{which}"] / (1e6 * moved), rate
            area = 25 + 400 * row[f"ms_{which}"] / total
            axes.scatter(*place, s=area, marker=marker, facecolor=face, edgecolor=color, linewidth=1.3, zorder=3)
            places.append(place)
        if len(places) == 2:
            axes.plot(*zip(*places, strict=True), color=color, linewidth=0.8, zorder=2)
        if places:
            seen += places
            label = f"{row['part'] or 'any part'}: {row['operator']}".replace("_", " ")
            handles.append(Line2D([], [], color=color, marker=marker, linestyle="", label=label))
    low = min([place[0] for place in seen] + [peak / copy]) / 3
    high = max([place[0] for place in seen] + [peak / copy]) * 3
    x = np.geomspace(low, high, 100)
    axes.plot(x, np.minimum(peak, copy * x), color=INK, linewidth=1.4, zorder=1)
    axes.set_xlim(low, high)
    axes.set_ylim(min([place[1] for place in seen] + [peak]) / 3, max([place[1] for place in seen] + [peak]) * 2)
    axes.set_xlabel("multiply-adds per byte moved")
    axes.set_ylabel("1e9 multiply-adds per second")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    note = note_lines(
        f"line: this machine's ceilings, {peak:.0f} GMAC/s and {copy:.0f} GB/s",
        "hollow: without a mask, filled: with it; area: share of the time",
    )
    dress(figure, f"{_label(summary)}: roofline", [], handles, note)
    return figure


def time_bars(rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> Figure:
    """Time of a pass without a mask and with it, by part, its operators by kind."""
    pieces = [row for row in rows if row["part"] not in ("all", "transformer") and row["operator"] != "all"]
    parts = list(dict.fromkeys(row["part"] for row in pieces))
    kinds = [row["operator"] for row in rows if row["part"] == "all" and row["operator"] != "all"]
    figure = Figure(figsize=(5.6, 1.8 + 0.55 * len(parts)), layout="constrained")
    axes = figure.add_subplot()
    total = max(summary["whole_ms_before"], 1e-12)
    shown = [
        kind for kind in kinds
        if max(sum(row[f"ms_{w}"] for row in pieces if row["operator"] == kind) for w in ("before", "after"))
        >= _LABELLED * total
    ]  # fmt: skip
    handles = []
    for number, kind in enumerate([*shown, None]):
        color = MUTED if kind is None else _COLORS[number % len(_COLORS)]
        drawn = False
        for place, part in enumerate(parts):
            for offset, which in ((-0.2, "before"), (0.2, "after")):
                mine = [row for row in pieces if row["part"] == part]
                left = sum(row[f"ms_{which}"] for row in mine if row["operator"] in shown[:number])
                width = sum(
                    row[f"ms_{which}"] for row in mine
                    if (row["operator"] == kind if kind is not None else row["operator"] not in shown)
                )  # fmt: skip
                drawn = drawn or width > 0
                axes.barh(place + offset, width, 0.36, left=left, color=color, edgecolor=PAPER, linewidth=0.4)
        if drawn:
            handles.append(Line2D([], [], color=color, marker="s", linestyle="", label=kind or "other kinds"))
    axes.set_yticks(range(len(parts)), [(part or "in no part").replace("_", " ") for part in parts])
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("ms of a pass")
    note = "upper bar: without a mask, lower bar: with it"
    dress(figure, f"{_label(summary)}: where the time goes", [], handles, note)
    return figure


def write_pictures(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
    """roofline-NAME and time-NAME, PNG and SVG, each whole or not at all."""
    with style():
        for kind, draw in (("roofline", roofline), ("time", time_bars)):
            figure = draw(rows, summary)
            write_atomic(folder / f"{kind}-{name}.png", to_png(figure))
            write_atomic(folder / f"{kind}-{name}.svg", to_svg(figure))


def _label(summary: Mapping[str, Any]) -> str:
    place = f"{summary['runtime']}, batch {summary['batch_size']}"
    return f"{summary['model']} {summary['mask']} {summary['mask_ratio']:g}, {place}"
