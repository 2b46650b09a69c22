"""`posebench flops --check`: counts again what a saved file holds, for people, for programs and for GitHub Actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from ..pose.errors import InputError
from .options import print_rows, size


def check_counts(path: Path, models: Sequence[str], format: str, others: Mapping[str, object]) -> None:
    """Exit 1 with what moved, if anything did. models: only these of the file, all if empty.

    others: what else was asked for, by option; it would have no effect. InputError names the file.
    """
    from ..reports.github import add_to_summary, error_line

    given = [option for option, value in others.items() if value]
    if given:
        raise InputError(f"{', '.join(given)} with --check: {path} says what is counted; leave it out")
    try:
        saved, moved = _compare(path, models)
    except InputError as error:
        _tell_github(error_line(str(error), path, "posebench flops"), format)
        raise
    verdict = (
        f"{len(moved)} of the counts in {path} moved"
        if moved
        else f"all counts of {saved} configurations in {path} are as saved"
    )
    rows = [difference.row() for difference in moved]
    if rows or format != "table":
        print_rows(rows, list(rows[0]) if rows else None, format)
    for difference in moved:
        _tell_github(error_line(str(difference), path, "FLOP count moved"), format)
    add_to_summary(f"**posebench flops**: {verdict}\n\n{_markdown(rows)}")
    typer.echo(verdict, err=format != "table")
    if moved:
        raise typer.Exit(1)


def _compare(path: Path, models: Sequence[str]) -> tuple[int, list[Any]]:
    """How many configurations were counted, and what moved."""
    from ..benchmark.counting.flops import flops_row
    from ..pose.models.zoo import resolve_name
    from ..reports.analysis.flop_check import DECODER, KEY, compare_counts, read_counts

    saved = read_counts(path)
    wanted = {resolve_name(name) for name in models}
    missing = wanted - {row["model"] for row in saved}
    if missing:
        raise InputError(f"{path}: holds no counts of {', '.join(sorted(missing))}")
    saved = [row for row in saved if not wanted or row["model"] in wanted]
    now = []
    for row in saved:
        try:
            counted = flops_row(
                row["model"],
                dataset=row["dataset"],
                input_size=size(row["input_size"]),
                mask=row["mask"],
                mask_ratio=row["mask_ratio"],
                decoder=row.get(DECODER),
            )
        except InputError as error:
            raise InputError(f"{path}: {row['model']}, mask {row['mask']} {row['mask_ratio']}: {error}") from None
        now.append({**counted, **{name: row[name] for name in KEY}, DECODER: row.get(DECODER)})
    return len(saved), compare_counts(saved, now)


def _tell_github(line: str, format: str) -> None:
    """The runner reads both streams; standard output is a program's where it is not a table."""
    if line:
        typer.echo(line, err=format != "table")


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    from ..reports.tables import render_rows

    return str(render_rows(rows, None, "markdown")) if rows else ""
