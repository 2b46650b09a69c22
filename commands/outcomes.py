"""What `check` and `gate` show of their rules, and the exit code of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..pose.errors import InputError

if TYPE_CHECKING:
    from ..reports.analysis.rules import Outcome, Rule


def _format(value: str) -> str:
    from ..reports.tables.outcomes import FORMATS

    if value not in FORMATS:
        raise InputError(f"unknown format {value!r}; one of {', '.join(FORMATS)}")
    return value


OutcomeFormat = Annotated[str, typer.Option("--format", help="text, github, junit, markdown or json", callback=_format)]
Strict = Annotated[bool, typer.Option("--strict", help="exit 1 also where a rule is undecided or cannot be judged")]


def read_rules(path: Path) -> list[Rule]:
    """The rules of a YAML file. InputError names the file, the key, and what would be right."""
    from ..reports.analysis.rules import parse_rules
    from ..sweeps.request import read_spec_file

    return parse_rules(read_spec_file(path), str(path))


def show_outcomes(
    outcomes: Sequence[Outcome], format: str, title: str, file: Path, summary: str | None = None, *, strict: bool
) -> None:
    """Print the outcomes; exit 1 where one failed, with `strict` where one did not pass.

    format "github": annotations at `file` and a step summary, too. summary: one line above, for people.
    """
    from ..reports.analysis.rules import FAILED, NOT_JUDGED, PASSED, UNDECIDED
    from ..reports.github import add_to_summary, annotations
    from ..reports.tables.outcomes import markdown, render_outcomes

    if summary and format in ("text", "github"):
        typer.echo(summary)
    typer.echo(render_outcomes(outcomes, format, title))
    if format == "github":
        for level, status in (("error", FAILED), ("warning", UNDECIDED), ("notice", NOT_JUDGED)):
            told = [str(outcome) for outcome in outcomes if outcome.status == status]
            for line in annotations(level, told, file, title):
                typer.echo(line)
        add_to_summary(markdown(outcomes, title) + "\n\n")
    good = {PASSED} if strict else {PASSED, UNDECIDED, NOT_JUDGED}
    if any(outcome.status not in good for outcome in outcomes):
        raise typer.Exit(1)
