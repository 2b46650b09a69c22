"""The plots of a report, drawn without pyplot and its global state; each is saved as PNG and as SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from ...pose.files import check_replaceable, write_atomic
from ..analysis.findings import Findings
from .catalogue import PLOTS
from .plot import Case, Plot
from .style import style

_PNG_DPI = 200
LONGEST_NAME = 100  # characters of what a file is named after


@dataclass
class Drawing:
    """One finished plot. `alt` says in words what it shows; `name` is its files' name without ending."""

    plot: Plot
    case: Case
    alt: str
    png: bytes = field(repr=False)
    svg: str = field(repr=False)
    name: str = ""

    @property
    def stem(self) -> str:
        """How its files' name begins: with the plot's, and the case's suffix."""
        stem = self.plot.file or self.plot.name
        return f"{stem}_{file_name(self.case.suffix)}" if self.case.suffix else stem


def draw_all(findings: Findings, plots: Sequence[Plot] = PLOTS) -> list[Drawing]:
    """Every plot in every case that the findings have the data for; all are named.

    A file is named after its plot (and the case's suffix) where that is drawn once; several get the subject (and batch
    size) appended.
    """
    drawings = []
    with style():
        for plot in plots:
            for case in plot.needs(findings):
                if drawn := plot.draw(*case.given):
                    figure, alt = drawn
                    drawings.append(Drawing(plot, case, alt, to_png(figure), to_svg(figure)))
    for plot, stem in dict.fromkeys((drawing.plot.name, drawing.stem) for drawing in drawings):
        same = [drawing for drawing in drawings if (drawing.plot.name, drawing.stem) == (plot, stem)]
        for drawing in same:
            drawing.name = stem if len(same) == 1 else f"{stem}-{file_name(drawing.case.about)}"
        for number, drawing in enumerate(same, 1):
            # Two labels may differ only in signs that a file name cannot hold.
            if sum(other.name == drawing.name for other in same) > 1:
                drawing.name = f"{drawing.name}-{number}"
    return drawings


def save_all(drawings: Sequence[Drawing], folder: Path) -> None:
    """Write <name>.png and <name>.svg of each drawing into `folder`, each whole or not at all."""
    contents = {f"{drawing.name}.png": drawing.png for drawing in drawings}
    contents |= {f"{drawing.name}.svg": drawing.svg for drawing in drawings}
    for name in contents:
        check_replaceable(folder / name)
    for name, content in contents.items():
        write_atomic(folder / name, content)


def to_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure) -> str:
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=nothing)
    return buffer.getvalue()


def file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "_", text).strip("_.")[:LONGEST_NAME] or "unnamed"
