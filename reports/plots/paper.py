"""One plot for a paper: a column wide, its lines named where they end, everything else left to its caption."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...row import describe
from ..analysis.paper import conditions_text, value_of
from ..analysis.subject import Point, Subject
from ..analysis.told import told_masks
from .accuracy_curves import COMPUTE_AXIS
from .curves import UNMASKED, Curve, Mark, bars_note, draw, legend_handles, quieted, reference_line
from .labels import Label, place
from .style import BASELINE, INK, looks_for, style

STYLES = ("paper", "screen")
FORMATS = ("svg", "pdf", "png")
#: inches; a column of a two-column page, and a figure of a talk
WIDTHS = {"paper": 3.3, "screen": 5.2}
_SMALL = {
    "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "lines.linewidth": 1.2, "axes.linewidth": 0.6, "grid.linewidth": 0.4, "figure.facecolor": "white",
    "savefig.facecolor": "white", "axes.facecolor": "white", "pdf.fonttype": 42, "savefig.dpi": 300,
}  # fmt: skip


@dataclass(frozen=True)
class PaperPlot:
    """The files of a plot by format, and its caption."""

    files: dict[str, bytes]
    caption: str


def paper_plot(
    subject: Subject, x: str, y: str, *, look: str = "paper", width: float | None = None, size: int | None = None,
    formats: Sequence[str] = FORMATS,
) -> PaperPlot | None:  # fmt: skip
    """`y` over `x` (columns of row.py), a line per mask from the unmasked model on; None where no configuration has
    both. `look`: one of STYLES; `width` in inches; `size`: the batch size of the rows, for the caption."""
    with style():
        if look == "paper":
            matplotlib.rcParams.update(_SMALL)
        curves = _curves(subject, x, y)
        if not curves:
            return None
        wide = width or WIDTHS[look]
        figure = Figure(figsize=(wide, wide * 0.78), layout="constrained")
        axes = figure.add_subplot()
        draw(axes, curves)
        axes.margins(0.12, 0.14)
        axes.set_xlabel(_axis(subject, x))
        axes.set_ylabel(_axis(subject, y))
        if curves[-1].name == UNMASKED:
            reference_line(axes, curves[-1].marks[0].y)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        if not _name_at_ends(axes, curves):
            _add_legend(figure, axes, curves)
        _write_ratios(axes, curves)
        files = {kind: _saved(figure, kind) for kind in formats}
    return PaperPlot(files, _caption(subject, curves, x, y, size))


def _curves(subject: Subject, x: str, y: str) -> list[Curve]:
    def mark(point: Point | None, text: str) -> Mark | None:
        if point is None:
            return None
        across, up = value_of(subject, point, x), value_of(subject, point, y)
        if y.endswith("_diff") and point is subject.baseline and across.mean is not None:
            return Mark(across.mean, 0.0, text)
        if across.mean is None or up.mean is None:
            return None
        spans = [None if v.std is None else (v.mean - v.std, v.mean + v.std) for v in (across, up)]
        return Mark(across.mean, up.mean, text, False, None if up.interval else spans[1], up.interval, spans[0])

    start = mark(subject.baseline, UNMASKED)
    looks = looks_for(subject.series)
    curves = []
    for name, points in subject.series.items():
        marks = [found for point in points if (found := mark(point, f"{point.ratio:g}"))]
        if marks:
            curves.append(Curve(name, looks[name], marks, start))
    curves += [Curve(UNMASKED, BASELINE, [start])] if start else []
    return quieted(curves, told_masks(subject))


def _name_at_ends(axes: Axes, curves: Sequence[Curve]) -> bool:
    """Each line's name at its end; False, and none is written, if one of them finds no place there."""
    names = [
        Label(c.marks[-1].x, c.marks[-1].y, c.name if c.quiet or c.name == UNMASKED else f"{c.name} {c.marks[-1].text}",
              INK if c.look is BASELINE else c.look.color)
        for c in curves
    ]  # fmt: skip
    if not place(axes, names, _marks(curves), _lines(curves)):
        return True
    for text in list(axes.texts):
        text.remove()
    return False


def _add_legend(figure: Figure, axes: Axes, curves: Sequence[Curve]) -> None:
    """A legend below the axes, which keep their height; what is not in it is named at its end where there is room."""
    if handles := legend_handles(curves):
        columns = 2 if max(len(handle.get_label()) for handle in handles) > 12 else 3
        figure.set_figheight(figure.get_figheight() + 0.17 * math.ceil(len(handles) / columns))
        figure.set_layout_engine("constrained")
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=1.6, columnspacing=1.2)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    ends = [(c.marks[-1], c) for c in curves if c.quiet or c.name == UNMASKED]
    names = [Label(mark.x, mark.y, c.name, INK if c.look is BASELINE else c.look.color) for mark, c in ends]
    loud = [c for c in curves if not c.quiet and c.name != UNMASKED]
    names += [Label(c.marks[-1].x, c.marks[-1].y, c.marks[-1].text, c.look.color) for c in loud]
    place(axes, names, _marks(curves), _lines(curves))


def _write_ratios(axes: Axes, curves: Sequence[Curve]) -> None:
    """The mask ratios right beside their marks, but at the ends."""
    loud = [curve for curve in curves if curve.name != UNMASKED and not curve.quiet]
    ratios = [Label(mark.x, mark.y, mark.text, curve.look.color) for curve in loud for mark in curve.marks[:-1]]
    place(axes, ratios, [*_marks(curves), *_corners(axes)], _lines(curves), (9,))


def _marks(curves: Sequence[Curve]) -> list[tuple[float, float]]:
    return [(mark.x, mark.y) for curve in curves for mark in curve.marks]


def _lines(curves: Sequence[Curve]) -> list[list[tuple[float, float]]]:
    return [[(m.x, m.y) for m in [*([c.start] if c.start else []), *c.marks]] for c in curves]


def _corners(axes: Axes) -> list[tuple[float, float]]:
    """Points across the texts that stand already, so that nothing is put over them."""
    figure = axes.figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    points = []
    for text in axes.texts:
        box = text.get_window_extent(renderer)
        steps = max(2, int(box.width / (3 * figure.dpi / 72)))
        across = [box.x0 + box.width * n / steps for n in range(steps + 1)]
        points += [tuple(axes.transData.inverted().transform((at, (box.y0 + box.y1) / 2))) for at in across]
    return points


def _axis(subject: Subject, name: str) -> str:
    if name == subject.metric.column:
        return subject.metric.axis
    if name == "gflops_t":
        return COMPUTE_AXIS.replace(" per image, exact", "")
    return describe(name).header


def _caption(subject: Subject, curves: Sequence[Curve], x: str, y: str, size: int | None) -> str:
    deviation = "standard deviation over seeds"
    bars = bars_note(curves, "95 % interval", deviation).replace("range over seeds", deviation)
    masks = ", ".join(curve.name for curve in curves if curve.name != UNMASKED)
    dotted = "; star and dotted line: the unmasked model" if curves[-1].name == UNMASKED else ""
    numbers = "; numbers: mask ratio" if masks else ""
    first = f"{_axis(subject, y)} over {_axis(subject, x)} of {subject.label}, one line per mask ({masks}){numbers}"
    return f"{first}{dotted}{f'; {bars}' if bars else ''}. {conditions_text(subject, size)}\n"


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    nothing = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None}, "png": {}}
    figure.savefig(buffer, format=kind, metadata=nothing[kind])
    return buffer.getvalue()
