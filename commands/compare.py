"""`posebench compare`: what moved between two sweeps, by how much, and whether beyond noise."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from ..reports.analysis.runs_compared import Change, RunsCompared

EXAMPLES = """
Examples:

  posebench compare runs/before runs/after

  posebench compare baseline.csv runs/after --json
"""
#: what the table shows; --json has all
SHOWN = ("gflops_t", "ap", "pckh", "latency_ms_median", "latency_vs_unmasked", "peak_memory_mib")


def register(app: typer.Typer) -> None:
    """Add the command of this file to the command line."""
    app.command("compare", rich_help_panel="Sweep and report", epilog=EXAMPLES)(compare)


def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="a sweep's folder, or a stored results.csv")],
    after: Annotated[Path, typer.Argument(metavar="B", help="the one that is compared with it")],
    json: Annotated[bool, typer.Option("--json", help="everything, for programs")] = False,
) -> None:
    """Say what moved from sweep A to sweep B, by how much, and whether that is beyond noise.

    Accuracies are paired over the same people where both kept their evidence, counts are exact, and times are judged on
    one machine only, as shares of the unmasked model's. The exit code is 0 whatever moved.
    """
    from rich.console import Console

    from ..reports.analysis.runs_compared import compare_runs, read_run
    from ..reports.analysis.runs_compared_words import sentences

    found = compare_runs(read_run(before), read_run(after))
    told = sentences(found)
    if json:
        record = asdict(found) | {"same_place": found.same_place, "sentences": told}
        for match in record["matches"]:
            for change in match["changes"]:
                change["difference"] = _ends(change["difference"])
        print_json(record)
        return
    _show(found, told, Console(highlight=False))


def _show(found: RunsCompared, told: list[str], console: Console) -> None:
    """The sentences, then what is not the same as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ..reports.analysis.runs_compared_words import change_text
    from ..row import describe

    for sentence in told:
        console.print(Text(sentence), soft_wrap=True)
    rows = [(match.label, change) for match in found.matches for change in match.changes if change.column in SHOWN]
    rows = [(label, change) for label, change in rows if change.before != change.after]
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in ("configuration", "", "A", "B", "B - A", ""):
        table.add_column(
            name, justify="right" if name in ("A", "B", "B - A") else "left", no_wrap=bool(name)
        )
    for label, change in rows:
        column = describe(change.column)
        size = f", batch {change.batch_size}" if change.batch_size else ""
        numbers = (f"{value:.{column.digits}f}" for value in (change.before, change.after))
        name = column.label + size
        table.add_row(*map(Text, [label, name, *numbers, change_text(change), _verdict(change)]))
    console.print(table)


def _verdict(change: Change) -> str:
    if change.verdict:
        return change.verdict
    return "unstable, not judged" if change.unstable else "not judged"


def _ends(estimate: Any) -> dict[str, float] | None:
    return estimate and dict(zip(("value", "low", "high"), estimate[:3], strict=True))
