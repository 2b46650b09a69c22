"""`posebench agree`: which tokens the masks of a finished sweep keep in common, and whether they keep the joints'."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import count, whole

EXAMPLE = "Example:  posebench agree runs/three-masks"


def register(app: typer.Typer) -> None:
    """Add the command of this file to the command line."""
    app.command("agree", rich_help_panel="Sweep and report", epilog=EXAMPLE)(agree)


def agree(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a sweep's folder")],
    people: Annotated[int, whole("of the people that the sweep judges by, evenly taken", 1)] = 256,
) -> None:
    """Say which tokens the masks of a sweep keep in common, and how many joints' cells.

    A sweep does so by itself. This asks its trained models where it has not (an older sweep), or about another number
    of people, and writes agreement.csv, agreement.npz, pictures and the page.
    """
    from ..pose.errors import InputError
    from ..reports.analysis.agreement import agreement_sentence
    from ..reports.report import write_report
    from ..sweeps.agreement import note_missing, write_agreement
    from ..sweeps.pictures import draw_differences
    from ..sweeps.store import SweepStore
    from ..sweeps.stored import read_stored

    store = SweepStore(folder)
    cells, asked = note_missing(store, people)
    found = write_agreement(store, cells)
    if not found:
        raise InputError(f"{folder}: nothing to compare: two masks that keep some of the tokens are needed, evaluated")
    draw_differences(store, cells, found, read_stored(store).data.data_dir)
    for one in found:
        typer.echo(f"{one.model}: {agreement_sentence(one)}")
    typer.echo(f"{count(len(cells), 'trained model')}, {asked} asked now: {folder / 'agreement.csv'}")
    if store.results_file.is_file():
        typer.echo(write_report(folder))
