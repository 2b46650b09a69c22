"""What `profile`, `breakeven` and `explain` say beside their rows: what was left out, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from ..benchmark.profiling.config import ProfileConfig


def tell_left_out(how: ProfileConfig) -> None:
    """The runtimes x precisions that there are not, a line each. InputError as `runs_of` has it."""
    for line in how.runs()[1]:
        typer.echo(f"left out: {line}", err=True)


def tell_failed(rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows that failed, a line each; exit 1 if any did."""
    failed = [row for row in rows if row.get("error")]
    for row in failed:
        label = f"{row['model']} {row['mask']} {row['mask_ratio']:g}, {row['runtime']} {row['dtype']}"
        typer.echo(f"{label}: {row['error']}", err=True)
    if failed:
        raise typer.Exit(1)
