"""`posebench breakeven`: from which mask ratio, and which batch size, each reduction saves time in each runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .measured import tell_failed, tell_left_out
from .model_options import DATASET_NAMES, DEFAULT_MODEL, MASKS, RATIOS, Precisions, Runtimes, masks_of
from .options import (
    Bar,
    Device,
    Format,
    Processes,
    Quiet,
    Threads,
    check_new_folder,
    numbers,
    print_rows,
    real,
    whole,
    words,
)

EXAMPLES = """
Examples:

  posebench breakeven --mask semantic,tome --batch-sizes 1,8

  posebench breakeven --model tmpose_l --mask uniform,semantic,prune,tome --runtime eager,fused,onnxruntime,openvino
  --batch-sizes 1,8 --threads 2 --processes 5 --out runs/breakeven
"""
RATIOS_TRIED = "0.1,0.2,0.4,0.6,0.8"


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("breakeven", rich_help_panel="Count and measure", epilog=EXAMPLES)(breakeven)


def breakeven(
    model: Annotated[str, typer.Option(help="models, separated by commas")] = DEFAULT_MODEL,
    mask: Annotated[str, typer.Option(help=f"separated by commas: {MASKS}")] = "semantic",
    ratios: Annotated[str, typer.Option(help=RATIOS)] = RATIOS_TRIED,
    runtime: Runtimes = "eager",
    precision: Precisions = "float32",
    batch_sizes: Annotated[str, typer.Option(help="batch sizes, separated by commas")] = "1,8",
    dataset: Annotated[str | None, typer.Option(help=f"{DATASET_NAMES} (default: coco)")] = None,
    part: Annotated[str, typer.Option(help="whole (the model) or transformer (behind the backbone)")] = "whole",
    device: Device = "cpu",
    threads: Threads = None,
    samples: Annotated[int, whole("timed passes of each configuration, at most", 1)] = 130,
    seconds: Annotated[float, real("time limit for the samples of one batch size, in seconds")] = 60.0,
    processes: Processes = 1,
    out: Annotated[
        Path | None, typer.Option(help="also write results.csv, report.html and plots/ into this new folder")
    ] = None,
    format: Format = "table",
    quiet: Quiet = False,
) -> None:
    """Say from which mask ratio on, and which batch size on, each reduction saves time for sure, or that it never does.

    Each is measured at several ratios and batch sizes in each runtime, interleaved with the unmasked model.

    What counts is the paired 95 % interval of the difference. A runtime is compared with the unmasked model in that
    same runtime. Exit 1 if a configuration cannot be run, or differs from eager in float32.
    """
    from rich.console import Console
    from rich.text import Text

    from ..benchmark.profiling.config import ProfileConfig
    from ..benchmark.profiling.models import profile
    from ..pose.errors import InputError
    from ..pose.models.choices import choose_models
    from ..reports.analysis.break_even import PARTS, break_evens, by_model
    from ..reports.tables import render_rows
    from ..reports.tables.break_even_table import NOTE, break_even_rows

    if part not in PARTS:
        raise InputError(f"--part {part!r}: give {' or '.join(PARTS)}")
    if out is not None:
        check_new_folder(out, "--out")
    where = {"device": device, "runtimes": words(runtime, "--runtime"), "precisions": words(precision, "--precision")}
    tell_left_out(ProfileConfig.of(dict(where)))
    names, asked = words(model, "--model"), {"masks": masks_of(mask), "ratios": numbers(ratios, "--ratios")}
    asked |= {"dataset": dataset} if dataset else {}
    if all(config.reduction.is_none for config in choose_models(names, **asked)):
        raise InputError("nothing is masked: give --mask and --ratios above 0")
    with Bar("profile", quiet) as bar:
        rows = profile(
            names,
            **asked,
            baseline=True,
            batch_sizes=numbers(batch_sizes, "--batch-sizes", int),
            threads=threads,
            samples=samples,
            seconds=seconds,
            processes=processes,
            memory=False,
            progress=bar,
            **where,
        )
    found = break_evens(rows, part)
    if format == "table":
        console = Console(highlight=False)
        for label, members in by_model(found).items():
            console.print(Text(label, "bold"))
            console.print(render_rows(_told(break_even_rows(members)), None, "table"))
        console.print(Text(NOTE, "dim"), soft_wrap=True)
    else:
        print_rows(break_even_rows(found), None, format)
    if out is not None:
        typer.echo(f"Report: {_write(out, rows)}", err=True)
    tell_failed(rows)


def _told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a terminal has room for: the claim, and the share saved at each ratio, in percent."""
    return [
        {name: row[name] for name in ("mask", "runtime", "dtype", "batch_size", "saves")}
        | {name.replace("saved_", "% at "): "" if row[name] is None else f"{100 * row[name]:+.0f}"
           for name in row if name.startswith("saved_") and not name.endswith(("_low", "_high"))}
        for row in rows
    ]  # fmt: skip


def _write(folder: Path, rows: list[Any]) -> Path:
    """results.csv and the page of a new folder."""
    from ..reports.analysis.results import write_results
    from ..reports.report import write_report
    from ..row import NAMES

    folder.mkdir(parents=True, exist_ok=True)
    kept = [{name: value for name, value in row.items() if name in NAMES} for row in rows]
    write_results(folder / "results.csv", kept)
    return write_report(folder)
