"""A table as a plain structure, which the page's template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..analysis.results import Spread


@dataclass(frozen=True)
class Cell:
    """A value, a quieter remark behind it, and a CSS class. `exact`: the value with every digit, where `text` has less;
    it is sorted and copied."""

    text: str
    aside: str = ""
    kind: str = "n"
    exact: str = ""


@dataclass(frozen=True)
class Head:
    """A column's title and, on a line of its own, its unit. `is_main`: shown before all columns are asked for."""

    label: str
    unit: str = ""
    numeric: bool = True
    is_main: bool = True

    @property
    def kind(self) -> str:
        """Its CSS classes."""
        return " ".join(["n"] * self.numeric + ["x"] * (not self.is_main))


@dataclass(frozen=True)
class Line:
    """One line of a table; `kind` is a CSS class ("baseline", "first" of a group), `at` the configuration that it
    tells of, as plots name theirs (`place_name`)."""

    cells: Sequence[Cell]
    kind: str = ""
    at: str = ""


@dataclass(frozen=True)
class Grid:
    """A whole table. `groups` are titles above the heads, each with the number of columns it spans."""

    caption: str
    heads: Sequence[Head]
    rows: Sequence[Line]
    groups: Sequence[tuple[str, int]] = ()

    @property
    def has_more(self) -> bool:
        """Whether some columns are shown only when all are asked for."""
        return not all(head.is_main for head in self.heads)

    @property
    def labels(self) -> list[str]:
        """What each column is called where it stands alone: with its group's title, if it has one."""
        titles = [title for title, span in self.groups for _ in range(span)] or [""] * len(self.heads)
        return [", ".join(filter(None, (head.label, title))) for head, title in zip(self.heads, titles, strict=True)]


def spread_cell(spread: Spread | None, digits: int) -> Cell:
    """A mean, its standard deviation behind it."""
    if spread is None:
        return Cell("")
    return Cell(f"{spread.mean:.{digits}f}", "" if spread.std is None else f"± {spread.std:.{digits}f}")
