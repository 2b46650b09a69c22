"""`posebench audit`: the papers' figures, reproduced under their own counting rule, counted exactly, and timed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Bar, Format, Quiet, Threads, check_new, real

EXAMPLES = """
Examples:

  posebench audit

  posebench audit --no-latency --format csv

  posebench audit --claims my-paper.yaml --html audit.html
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("audit", rich_help_panel="Count and measure", epilog=EXAMPLES)(audit)


def audit(
    claims: Annotated[
        Path | None, typer.Option(help="a YAML file with your own claims; benchmark/audit/claims.yaml shows the form")
    ] = None,
    latency: Annotated[
        bool, typer.Option("--latency/--no-latency", help="also time what a claim compares, on this machine")
    ] = True,
    device: Annotated[str, typer.Option(help="cpu or cuda, for the timing")] = "cpu",
    threads: Threads = None,
    seconds: Annotated[float, real("time limit of all timing, in seconds", least=1)] = 24.0,
    format: Format = "table",
    html: Annotated[Path | None, typer.Option(help="write the table to this file too, as a page")] = None,
    force: Annotated[bool, typer.Option("--force", help="let --html overwrite its file")] = False,
    quiet: Quiet = False,
) -> None:
    """Check what the papers say about cost: as published, by the source's counter, exactly, and on the clock."""
    from ..benchmark.audit.audit import audit as run
    from ..benchmark.audit.claims import SHIPPED, read_claims
    from ..pose.files import write_atomic
    from ..reports.page.audit_page import audit_page

    if html is not None:
        check_new(html, "--html", force=force)
    found = read_claims(SHIPPED, *([claims] if claims else []))
    with Bar("audit", quiet) as bar:
        rows = run(found, latency=latency, device=device, threads=threads, seconds=seconds, progress=bar)
    _show(rows, format)
    if html is not None:
        write_atomic(html, audit_page(rows))


def _show(rows: list[dict], format: str) -> None:
    from rich.console import Console

    from ..reports.tables.audit_table import COLUMNS_MEAN, EXPLANATION, conditions_line, render_audit, summary

    rendered = render_audit(rows, format)
    if isinstance(rendered, str):
        print(rendered, end="")
        return
    console = Console(highlight=False)
    for paragraph in EXPLANATION:
        console.print(paragraph)
    console.print()
    console.print(rendered)
    console.print()
    console.print(summary(rows))
    console.print(f"{COLUMNS_MEAN} {conditions_line(rows)}", style="dim")
