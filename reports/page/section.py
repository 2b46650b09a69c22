"""What a page is built of: sections, each a title and blocks, which the template prints."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from markupsafe import Markup

from ..analysis.decision import Decision
from ..analysis.findings import Findings
from ..plots.drawing import Drawing
from ..plots.style import themed
from ..tables.layout import Grid


@dataclass(frozen=True)
class Paragraph:
    """Text; `kind` is a CSS class."""

    text: str
    kind: str = ""
    block: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Table:
    """A grid with a CSS class; where `summary` is given, folded up behind it."""

    grid: Grid
    kind: str = "stacked"
    summary: str = ""
    block: ClassVar[str] = "table"


_CELL_BYTES = 65
#: lines, beyond which a table is folded up that a plot or a shorter table stands for
LONG = 24


def folded(grid: Grid, kind: str = "stacked") -> Table:
    """A table, folded up where it is long."""
    return Table(grid, kind, f"{grid.caption} ({len(grid.rows)} lines)" if len(grid.rows) > LONG else "")


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG markup of our own, the only markup that is not escaped."""

    svg: Markup
    block: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Columns:
    """Columns of blocks side by side, where there is room; `kind` is a CSS class."""

    columns: Sequence[Sequence[Block]]
    kind: str = "figures"
    block: ClassVar[str] = "columns"


@dataclass(frozen=True)
class Facts:
    """Labels and what they are."""

    facts: Sequence[tuple[str, str]]
    block: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, its caption, its size in pixels."""

    source: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Pictures:
    """Pictures with captions; `kind` is a CSS class."""

    pictures: Sequence[Picture]
    kind: str = ""
    block: ClassVar[str] = "pictures"


Block = Paragraph | Table | Figure | Columns | Facts | Pictures


@dataclass(frozen=True)
class Material:
    """What sections are built from: the findings, every plot, the files of pictures (of masks, of people that they
    lose, of where two masks differ), and what is to be chosen. room: bytes of the page for all pictures."""

    findings: Findings
    drawings: Sequence[Drawing] = ()
    mask_files: Sequence[Path] = ()
    people_files: Sequence[Path] = ()
    decisions: Sequence[Decision] = ()
    differ_files: Sequence[Path] = ()
    room: int = 2_400_000

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """The rows of results.csv."""
        return self.findings.records

    @property
    def is_timed(self) -> bool:
        """Whether any model was timed."""
        subjects = self.findings.subjects
        points = [point for one in subjects for point in (one.baseline, *one.points) if point]
        return any(timing.whole or timing.transformer for point in points for timing in point.timings.values())

    def figures(self, section: str, shown: Callable[..., bool] = lambda *given: True) -> list[Figure]:
        """The plots of a section, what belongs to one subject side by side; `shown` is asked with what each is of."""
        own = [(number, one) for number, one in enumerate(self.drawings) if one.plot.section == section]
        own = [(number, one) for number, one in own if shown(*one.case.given)]
        subjects = list(dict.fromkeys(drawing.case.subject for _, drawing in own))
        own.sort(key=lambda numbered: subjects.index(numbered[1].case.subject))
        return [_figure(drawing, f"p{number}") for number, drawing in own]


@dataclass(frozen=True)
class Section:
    """One section of the page. A new one is a function and its line in sections.py.

    build: what stands below the title; with nothing to show there is no section. fills: with pictures, what room the
    other sections leave.
    """

    title: str
    build: Callable[[Material], Sequence[Block]]
    fills: bool = False


def texts_of(blocks: Sequence[Block]) -> Iterator[str]:
    """What the blocks say in words, and what their tables' columns are called."""
    for block in blocks:
        if isinstance(block, Paragraph):
            yield block.text
        elif isinstance(block, Columns):
            for column in block.columns:
                yield from texts_of(column)
        elif isinstance(block, Table):
            yield block.grid.caption
            yield from (f"{head.label} {head.unit}" for head in block.grid.heads)


def weight(blocks: Sequence[Block]) -> int:
    """About how many bytes the blocks take in the page: nearly all of it are drawings and cells of tables."""
    total = 0
    for block in blocks:
        if isinstance(block, Columns):
            total += sum(map(weight, block.columns))
        elif isinstance(block, Figure):
            total += len(block.svg)
        elif isinstance(block, Table):
            total += _CELL_BYTES * len(block.grid.rows) * len(block.grid.heads)
        elif isinstance(block, Pictures):
            total += sum(len(picture.source) for picture in block.pictures)
    return total


def side_by_side(figures: Sequence[Figure]) -> list[Block]:
    """Figures as columns; no block without any."""
    return [Columns([[figure] for figure in figures])] if figures else []


def _figure(drawing: Drawing, prefix: str) -> Figure:
    label = html.escape(f"{drawing.plot.title}, {drawing.case.about}. {drawing.alt}", quote=True)
    svg = themed(drawing.svg, prefix)
    return Figure(Markup(svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)))
