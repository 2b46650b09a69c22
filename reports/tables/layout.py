"""A table as a plain structure, which the page's template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..analysis.results import Spread


@dataclass(frozen=True)
class Cell:
    """A value, a quieter remark behind it, and a CSS class."""

    text: str
    aside: str = ""
    kind: str = "n"


@dataclass(frozen=True)
class Head:
    """A column's title and, on a line of its own, its unit."""

    label: str
    unit: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Line:
    """One line of a table; `kind` is a CSS class ("baseline", "first" of a group)."""

    cells: Sequence[Cell]
    kind: str = ""


@dataclass(frozen=True)
class Grid:
    """A whole table. `groups` are titles above the heads, each with the number of columns it spans."""

    caption: str
    heads: Sequence[Head]
    rows: Sequence[Line]
    groups: Sequence[tuple[str, int]] = ()


def spread_cell(spread: Spread | None, digits: int) -> Cell:
    """A mean, its standard deviation behind it."""
    if spread is None:
        return Cell("")
    return Cell(f"{spread.mean:.{digits}f}", "" if spread.std is None else f"± {spread.std:.{digits}f}")
