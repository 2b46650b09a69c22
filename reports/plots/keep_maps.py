"""Where in the crop each mask keeps its tokens, and where it differs from a reference."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from ..analysis.agreement import Agreement, Kept, reference_of
from .curves import clipped
from .figure import SIZE, dress, note_lines
from .matrix import color_bar
from .plot import Plot, each_agreement
from .style import INK

_OFTEN, _JOINTS, _DIFFERENCE = (matplotlib.colormaps[name] for name in ("viridis", "magma", "PuOr"))
_COLUMNS = 6
_PANEL_IN = 0.68  # wide


def keep_maps(one: Agreement) -> tuple[Figure, str]:
    """One panel a mask: how often each cell is kept. Before them the joints: the share of them in each cell."""
    panels = [("joints", one.joints, _JOINTS, Normalize(0, float(one.joints.max()) or 1.0))]
    panels += [(kept.mask, kept.map, _OFTEN, Normalize(0, 1)) for kept in one.masks]
    figure = _drawn(panels, "share of people whose cell is kept")
    note = note_lines("joints: where the annotated joints are, brightest where most", f"{one.people} people")
    dress(figure, f"{one.model}, ratio {one.ratio:g}: where tokens are kept", [], note=note)
    return figure, f"How often each cell is kept at mask ratio {one.ratio:g}. {'; '.join(map(_told, one.masks))}."


def keep_differences(one: Agreement) -> tuple[Figure, str] | None:
    """Each mask's map minus that of a reference: orange where the mask keeps more, violet where less."""
    reference = reference_of(one)
    others = [kept for kept in one.masks if kept is not reference]
    maps = [kept.map - reference.map for kept in others]
    largest = max(float(np.abs(values).max()) for values in maps) or 1.0
    scale = Normalize(-largest, largest)
    colors = _DIFFERENCE.reversed()
    figure = _drawn([(kept.mask, values, colors, scale) for kept, values in zip(others, maps, strict=True)],
                    f"kept more often than by {clipped(reference.mask, 18)}")  # fmt: skip
    dress(figure, f"{one.model}, ratio {one.ratio:g}: other cells than {reference.mask}", [])
    told = "; ".join(
        f"{kept.mask}: {0.5 * float(np.abs(values).sum()):.1f} cells" for kept, values in zip(others, maps, strict=True)
    )
    return figure, f"Mean keep map minus that of {reference.mask}; half of the sum of differences: {told}."


def _drawn(panels: list[tuple[str, np.ndarray, Colormap, Normalize]], bar_label: str) -> Figure:
    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    high, wide = panels[0][1].shape
    height = _PANEL_IN * min(max(high / wide, 0.5), 2.5) + 0.24
    figure = Figure(figsize=(SIZE[0], 1.6 + rows * height), layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in every:
        axes.set_axis_off()
    for axes, (name, values, colors, scale) in zip(every, panels, strict=False):
        axes.imshow(values, cmap=colors, norm=scale, interpolation="nearest")
        axes.set_title(clipped(name, 14), loc="center", color=INK, pad=3)
    _, _, colors, scale = panels[-1]
    color_bar(figure, list(every), scale, colors, bar_label, location="bottom", shrink=0.6, aspect=30)
    return figure


def _told(kept: Kept) -> str:
    row, column = np.unravel_index(int(kept.map.argmax()), kept.map.shape)
    return f"{kept.mask}: most often row {row + 1}, column {column + 1} ({kept.map.max():.2f})"


MAPS = Plot("keep_maps", "Where tokens are kept", each_agreement, keep_maps, "agreement")
DIFFERENCES = Plot("keep_differences", "Where masks differ", each_agreement, keep_differences, "agreement")
