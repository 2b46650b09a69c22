"""Where a plot's point labels go: beside their points, never over a marker or another label."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from .style import MUTED

_ANGLES = (90, 270, 45, 135, 315, 225, 0, 180)
_DISTANCES_PT = (9, 14, 20)
_SHARE_PT = 11
_FONT_PT = 8.0


@dataclass(frozen=True)
class Label:
    """A text for the point (x, y), in data coordinates."""

    x: float
    y: float
    text: str
    color: str


def place(
    axes: Axes,
    labels: Sequence[Label],
    markers: Iterable[tuple[float, float]],
    lines: Iterable[Sequence] = (),
    distances: Sequence[float] = _DISTANCES_PT,
) -> int:
    """Draw each label at the free place nearest to its point; one without any is left out. Returns how many are.

    Points of the same text that lie close together share one label, in a neutral colour if theirs differ.
    `markers` are the points to keep free, `lines` polylines (lists of (x, y)) that a label should rather not cross;
    all in data coordinates. `distances`: from its point, in points, that a label may have. Limits and layout must be
    final, for the search works in pixels.
    """
    figure = axes.figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    pixels = figure.dpi / 72.0
    to_pixels = axes.transData.transform
    inside = axes.get_window_extent(renderer)
    blocked = [_box(*to_pixels(marker), 4.6 * pixels, 4.6 * pixels) for marker in markers]
    soft = [dot for line in lines for dot in _dots([to_pixels(point) for point in line], 2.0 * pixels)]
    left_out = 0
    for label in _shared(labels, to_pixels, _SHARE_PT * pixels):
        x, y = to_pixels((label.x, label.y))
        probe = axes.text(0, 0, label.text, fontsize=_FONT_PT)
        extent = probe.get_window_extent(renderer)
        probe.remove()
        half_width, half_height = extent.width / 2 + pixels, extent.height / 2 + 0.5 * pixels
        best, best_cost = None, math.inf
        for distance in distances:
            for rank, angle in enumerate(_ANGLES):
                # A wide text must start further out to the sides than above.
                dx = math.cos(math.radians(angle)) * (distance * pixels + half_width - half_height)
                dy = math.sin(math.radians(angle)) * distance * pixels
                box = _box(x + dx, y + dy, half_width, half_height)
                if any(box.overlaps(other) for other in blocked) or not _contains(inside, box):
                    continue
                crossings = sum(box.x0 <= px <= box.x1 and box.y0 <= py <= box.y1 for px, py in soft)
                cost = crossings + 0.6 * (distance - _DISTANCES_PT[0]) + 0.2 * rank
                if cost < best_cost:
                    best, best_cost = (x + dx, y + dy, box), cost
        if best is None:
            left_out += 1
            continue
        blocked.append(best[2])
        offset = ((best[0] - x) / pixels, (best[1] - y) / pixels)
        font = {"fontsize": _FONT_PT, "color": label.color, "ha": "center", "va": "center"}
        axes.annotate(label.text, (label.x, label.y), offset, textcoords="offset points", **font)
    return left_out


def _shared(labels: Sequence[Label], to_pixels, reach: float) -> list[Label]:
    """One label, at its highest point, for each chain of points of the same text no further than `reach` apart."""
    groups: list[list[tuple[Label, float, float]]] = []
    for label in labels:
        x, y = to_pixels((label.x, label.y))
        near = [
            group
            for group in groups
            if any(other.text == label.text and math.hypot(x - ox, y - oy) <= reach for other, ox, oy in group)
        ]
        groups = [group for group in groups if not any(group is other for other in near)]
        groups.append([member for group in near for member in group] + [(label, x, y)])
    shared = []
    for group in groups:
        highest = max(group, key=lambda member: member[2])[0]
        color = highest.color if len({member[0].color for member in group}) == 1 else MUTED
        shared.append(Label(highest.x, highest.y, highest.text, color))
    return shared


def _box(x: float, y: float, half_width: float, half_height: float) -> Bbox:
    return Bbox.from_extents(x - half_width, y - half_height, x + half_width, y + half_height)


def _contains(outer: Bbox, inner: Bbox) -> bool:
    return outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1


def _dots(line: Sequence, step: float) -> list[tuple[float, float]]:
    """Points along a polyline, `step` pixels apart."""
    dots = []
    for (x0, y0), (x1, y1) in itertools.pairwise(line):
        count = max(1, min(500, int(math.hypot(x1 - x0, y1 - y0) / step)))
        dots += [(x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count) for i in range(count + 1)]
    return dots
