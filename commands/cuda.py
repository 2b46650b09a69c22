"""`posebench cuda`: everything that is to be looked at on a GPU machine, in one command."""

from __future__ import annotations

import csv
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer

from ..pose.errors import InputError
from .options import real, words

EXAMPLES = """
Examples:

  posebench cuda --out runs/cuda

  posebench cuda --device cpu --out runs/trial

  posebench cuda --dry-run
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("cuda", rich_help_panel="Count and measure", epilog=EXAMPLES)(cuda)


def cuda(
    out: Annotated[Path, typer.Option(help="new folder for all that is found")] = Path("runs/cuda"),
    device: Annotated[str, typer.Option(help="cuda, or cpu for a trial with tiny models")] = "cuda",
    steps: Annotated[str | None, typer.Option(help="which, separated by commas (default: all)")] = None,
    seconds: Annotated[float, real("for all steps together", least=1)] = 450.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list the steps and run none")] = False,
) -> None:
    """Check and measure CUDA on this machine, each step in a process and a time of its own; exit 1 if one failed.

    The folder gets a line for each step (checks.csv), rows of results, a page about them, and what each step wrote.
    """
    from ..benchmark.cuda.steps import FAILED, STEPS, Outcome, rows_in, run_steps

    known = {step.name: step for step in STEPS}
    chosen = list(dict.fromkeys(words(steps, "--steps"))) or list(known)
    for name in chosen:
        if name not in known:
            raise InputError(f"--steps {name!r}: one of {', '.join(known)}")
    if dry_run:
        for name in chosen:
            typer.echo(f"{name:10} {known[name].seconds:4.0f} s  {known[name].about}")
        return
    if out.exists():
        raise InputError(f"{out}: exists already; give --out another")
    from ..benchmark.instruments.device import check_device

    check_device(device)
    out.mkdir(parents=True)

    def said(outcome: Outcome) -> None:
        typer.echo(f"{outcome.name:10} {outcome.status:8} {outcome.seconds:5.1f} s  {outcome.line}")

    outcomes = run_steps([known[name] for name in chosen], device, out, seconds, said)
    with open(out / "checks.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(field.name for field in fields(Outcome))
        table.writerows(map(astuple, outcomes))
    rows = [row for name in chosen for row in rows_in(out / name)]
    if rows:
        typer.echo(_page(out, rows, [f"{one.name}: {one.status}. {one.line}" for one in outcomes]))
    if any(outcome.status == FAILED for outcome in outcomes):
        raise typer.Exit(1)


def _page(out: Path, rows: list[dict[str, object]], notes: list[str]) -> Path:
    from ..reports.report import write_report
    from ..row import SCHEMA_VERSION, Row

    whole = [
        Row.of({"schema_version": SCHEMA_VERSION, "cell": f"cuda-{number}", "seed": 0} | row).columns()
        for number, row in enumerate(rows)
    ]
    return write_report(out, whole, title="posebench on CUDA", notes=notes)
