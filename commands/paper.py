"""`posebench plot` and `posebench table`: a sweep's numbers as a paper shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..pose.errors import InputError
from .options import check_new, real, whole, words

PLOT_EXAMPLES = """
Examples:

  posebench plot runs/three-masks --x gflops_t --y ap

  posebench plot runs/three-masks --x latency_ms_median --y ap --batch-size 32 --out figures/latency.pdf
"""
TABLE_EXAMPLES = r"""
Examples:

  posebench table runs/three-masks --format latex > table.tex

  posebench table runs/three-masks --format markdown --columns mask,mask_ratio,gflops_t,ap,ap_diff
"""
RUN = Annotated[Path, typer.Argument(metavar="RUN", help="a sweep's folder, or a file as results.csv")]
BatchSize = Annotated[int | None, whole("of times and memory (default: the smallest)", 1)]
FORMATS, STYLES, PICTURES = ("latex", "markdown", "csv", "html"), ("paper", "screen"), ("svg", "pdf", "png")


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("plot", rich_help_panel="Sweep and report", epilog=PLOT_EXAMPLES)(plot)
    app.command("table", rich_help_panel="Sweep and report", epilog=TABLE_EXAMPLES)(table)


def plot(
    run: RUN,
    x: Annotated[str, typer.Option(help="column of results.csv along the horizontal axis")] = "gflops_t",
    y: Annotated[str | None, typer.Option(help="along the vertical axis (default: the accuracy)")] = None,
    style: Annotated[str, typer.Option(help="paper (a column wide, small type) or screen")] = "paper",
    width: Annotated[float | None, real("inches (default: 3.3 for a paper)", least=1, most=20)] = None,
    batch_size: BatchSize = None,
    out: Annotated[
        Path | None,
        typer.Option(help="file; .svg, .pdf or .png for that alone, else all three (default: Y_vs_X in RUN/plots)"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace files that exist")] = False,
) -> None:
    """Draw one plot for a paper as SVG, PDF and PNG, and its caption beside it as a text file."""
    if style not in STYLES:
        raise InputError(f"--style {style!r}: one of {', '.join(STYLES)}")
    from ..pose.files import write_atomic
    from ..reports.analysis.paper import check_shown, subjects_at
    from ..reports.analysis.runs_compared import read_run
    from ..reports.plots.paper import paper_plot

    subjects, size = subjects_at(read_run(run).rows, batch_size)
    folder = run if run.is_dir() else run.parent
    formats = PICTURES
    if out and out.suffix.lower().lstrip(".") in PICTURES:
        formats, out = (out.suffix.lower().lstrip("."),), out.with_suffix("")
    drawn = []
    for number, subject in enumerate(subjects):
        across, up = check_shown([x, y or subject.metric.column], "--x or --y", numeric=True)
        base = out or folder / "plots" / f"{up.name}_vs_{across.name}"
        base = base if len(subjects) == 1 else base.with_name(f"{base.name}-{number + 1}")
        found = paper_plot(subject, across.name, up.name, look=style, width=width, size=size, formats=formats)
        if found:
            drawn += [(base.with_name(f"{base.name}.{kind}"), content) for kind, content in found.files.items()]
            drawn.append((base.with_name(f"{base.name}.txt"), found.caption.encode()))
    if not drawn:
        raise InputError(f"{run}: no configuration has both {x} and {y or 'an accuracy'}")
    if out is None:
        (folder / "plots").mkdir(exist_ok=True)
    for file, _ in drawn:
        check_new(file, "--out", force=force)
    for file, content in drawn:
        write_atomic(file, content)
    for file, _ in drawn:
        typer.echo(file)


def table(
    run: RUN,
    format: Annotated[str, typer.Option(help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}")] = "latex",
    columns: Annotated[str | None, typer.Option(help="columns of results.csv, separated by commas")] = None,
    batch_size: BatchSize = None,
    out: Annotated[Path | None, typer.Option(help="file (default: standard output)")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace a file that exists")] = False,
) -> None:
    """Write one line per configuration, mean ± standard deviation over seeds.

    What is best at its mask ratio is bold only where that is shown: its interval, corrected for all pairs, tells it
    apart from each other one.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; one of {', '.join(FORMATS)}")
    if out is not None:
        check_new(out, "--out", force=force)
    from ..pose.files import write_atomic
    from ..reports.analysis.paper import check_shown, subjects_at, usual_columns
    from ..reports.analysis.runs_compared import read_run
    from ..reports.tables.paper_table import paper_table

    subjects, size = subjects_at(read_run(run).rows, batch_size)
    if not subjects:
        raise InputError(f"{run}: nothing was measured that a table could show")
    asked = [column.name for column in check_shown(words(columns, "--columns"), "--columns")]
    text = paper_table(subjects, asked or _common(subjects, usual_columns), format, size)
    if out is None:
        print(text, end="")
    else:
        write_atomic(out, text.encode("utf-8", "backslashreplace"))
        typer.echo(out)


def _common(subjects: list[Any], of: Any) -> list[str]:
    """The usual columns of all subjects, each once."""
    return list(dict.fromkeys(name for subject in subjects for name in of(subject)))
