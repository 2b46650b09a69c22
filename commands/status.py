"""`posebench status`: what a sweep is doing, asked from another terminal or another machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import count, print_json

if TYPE_CHECKING:
    from ..sweeps.executors.presence import Owner
    from ..sweeps.status import Part, Status

EXAMPLE = "Example:  posebench status runs/three-masks"


def register(app: typer.Typer) -> None:
    """Add the command of this file to the command line."""
    app.command("status", rich_help_panel="Sweep and report", epilog=EXAMPLE)(status)


def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a sweep's folder")],
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Say what runs where, since when, and what is left; or that the sweep died, and why.

    Reads the folder and writes nothing, while the sweep runs, too, and on any machine that sees the folder.
    """
    from ..sweeps.status import read_status

    found = read_status(folder)
    if as_json:
        print_json(_plain(found))
    else:
        _print(found)


def _plain(found: Status) -> dict[str, Any]:
    from ..pose.records import to_plain

    content: dict[str, Any] = to_plain(found)
    return content | {"root": str(found.root), "left": found.left}


def _print(found: Status) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(_headline(found), "bold"), soft_wrap=True)
    shown = [part for part in found.parts if part.state not in ("done", "waiting")]
    if shown:
        table = Table(box=None, pad_edge=False)
        for name in ("part", "state", "where", "since"):
            table.add_column(name, justify="right" if name == "since" else "left")
        for part in shown:
            style = {"failed": "red", "lost": "red"}.get(part.state, "")
            table.add_row(Text(part.label), Text(_state(part), style), Text(_where(part.owner)), _since(part.owner))
        console.print(table)
    for state, word in (("waiting", "Waiting"), ("done", "Done")):
        labels = [part.label for part in found.parts if part.state == state]
        if labels:
            more = f", and {len(labels) - 6} more" if len(labels) > 6 else ""
            console.print(Text(f"{word}: {', '.join(labels[:6])}{more}."), soft_wrap=True)


def _headline(found: Status) -> str:
    done = sum(part.state == "done" for part in found.parts)
    parts = [f"{found.root}: {found.state}", f"{done} of {count(len(found.parts), 'part')} done"]
    if found.state == "running" and found.owner:
        parts.insert(1, f"since {_clock(found.owner.started)} from {found.owner.host} (process {found.owner.pid})")
    if found.why:
        parts.append(found.why)
    if found.left and found.state in ("stopped", "died"):
        parts.append("the same sweep command goes on from there")
    return "; ".join(parts)


def _state(part: Part) -> str:
    if part.state != "running":
        return f"{part.state}: {part.why}" if part.why else part.state
    owner = part.owner
    return f"{owner.stage} {100 * owner.done // owner.total} %" if owner and owner.total else "running"


def _where(owner: Owner | None) -> str:
    return " ".join(filter(None, (owner.host, owner.device, owner.job))) if owner else ""


def _since(owner: Owner | None) -> str:
    return _clock(owner.started) if owner else ""


def _clock(seconds: float) -> str:
    """Local time; with the day where that is another than today."""
    then, now = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)
