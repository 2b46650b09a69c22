"""`posebench merge`: sweeps of several machines as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import count

EXAMPLE = "Example:  posebench merge runs/seed-0 /mnt/other/runs/seed-1 --out runs/both"


def register(app: typer.Typer) -> None:
    """Add the command of this file to the command line."""
    app.command("merge", rich_help_panel="Sweep and report", epilog=EXAMPLE)(merge)


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="folders of sweeps")],
    out: Annotated[Path, typer.Option(help="a new folder")],
) -> None:
    """Join sweeps of several machines, or of parts of a grid, in a new folder, with one table and one page.

    Each row says its machine and folder. Times are compared within one machine only. Where a cell has two results that
    differ, nothing is written.
    """
    from ..sweeps.merge import merge_sweeps

    merged = merge_sweeps(folders, out)
    taken = ", ".join(f"{number} from {folder}" for folder, number in merged.taken.items())
    text = f"{count(sum(merged.taken.values()), 'cell')} in {merged.root}: {taken}"
    if merged.same:
        text += f"; {merged.same} in several folders, with the same result, taken once"
    if merged.unfinished:
        text += f"; {merged.unfinished} not finished anywhere"
    typer.echo(f"{text}.")
    typer.echo(merged.root / "report.html")
