"""`posebench explain`: where the counted saving of a mask goes in a runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .measured import tell_left_out
from .model_options import DATASET_NAMES, DEFAULT_MODEL, MASKS, RATIOS, RUNTIME_NAMES, Precisions, masks_of
from .options import Bar, Format, Quiet, Threads, check_new_folder, numbers, print_json, print_rows, real, whole, words

EXAMPLES = """
Examples:

  posebench explain --mask semantic --ratios 0.4

  posebench explain --model tmpose_l --mask uniform,prune,tome --ratios 0.4 --threads 1 --out runs/explained

  posebench explain --model tmpose_l --mask tome --ratios 0.4 --runtime eager,fused,onnxruntime,openvino --threads 1
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("explain", rich_help_panel="Count and measure", epilog=EXAMPLES)(explain)


def explain(
    model: Annotated[str, typer.Option(help="models, separated by commas")] = DEFAULT_MODEL,
    mask: Annotated[str, typer.Option(help=f"separated by commas: {MASKS}")] = "semantic",
    ratios: Annotated[str, typer.Option(help=RATIOS)] = "0.4",
    runtime: Annotated[str, typer.Option(help=f"{RUNTIME_NAMES}; those that have a profiler")] = "eager",
    precision: Precisions = "float32",
    batch_size: Annotated[int, whole("images of a pass", 1)] = 1,
    dataset: Annotated[str | None, typer.Option(help=f"{DATASET_NAMES} (default: coco)")] = None,
    threads: Threads = None,
    samples: Annotated[int, whole("passes of each, with and without the profiler, at most", 1)] = 60,
    seconds: Annotated[float, real("time limit for the passes in one runtime, in seconds")] = 20.0,
    out: Annotated[
        Path | None, typer.Option(help="also write explained.json, explained.csv and plots into this new folder")
    ] = None,
    format: Format = "table",
    as_json: Annotated[bool, typer.Option("--json", help="as --format json: sentences, sums and rows")] = False,
    quiet: Quiet = False,
) -> None:
    """Say where the saving goes that is counted in multiply-adds: what of it arrives on the clock, and what takes the
    rest.

    Each mask is run beside the unmasked model, interleaved, on the CPU, with and without the runtime's own profiler:
    time, multiply-adds and bytes of each part and kind of operator, with what choosing tokens costs and what
    passes between operators, beside the fastest matrix product and memory copy that this machine does.
    """
    from rich.console import Console
    from rich.text import Text

    from ..benchmark.explain.explain import explain as measure
    from ..benchmark.explain.rows import rows as rows_of
    from ..benchmark.explain.rows import summary
    from ..benchmark.profiling.config import ProfileConfig
    from ..reports.analysis.explained import explained_sentence
    from ..reports.tables.explain_table import NOTE, ceilings_text, explain_table

    if out is not None:
        check_new_folder(out, "--out")
    how = ProfileConfig.of(
        {"runtimes": words(runtime, "--runtime"), "precisions": words(precision, "--precision"), "threads": threads,
         "samples": samples, "seconds": seconds}
    )  # fmt: skip
    tell_left_out(how)
    options: dict[str, Any] = {"dataset": dataset} if dataset else {}
    chosen = words(model, "--model"), masks_of(mask), numbers(ratios, "--ratios")
    with Bar("explain", quiet) as bar:
        explained = measure(*chosen, how, batch_size=batch_size, progress=bar, **options)
    told = []
    for one in explained:
        about = summary(one)
        told.append({"sentence": explained_sentence(about), **about, "rows": rows_of(one)})
    rows = [row for one in told for row in one["rows"]]
    if as_json or format == "json":
        print_json(told)
    elif format == "csv":
        print_rows(rows, None, "csv")
    else:
        console = Console(highlight=False)
        for one in told:
            console.print(Text(one["sentence"], "bold"), soft_wrap=True)
            print_rows(explain_table(one["rows"]), None, format, wide=True)
            for note in one["notes"]:
                console.print(Text(f"{note}.", "dim"), soft_wrap=True)
        console.print(Text(f"{NOTE}: {ceilings_text(told[0])}.", "dim"), soft_wrap=True)
    if out is not None:
        _write(out, told, rows)
        typer.echo(f"Explained: {out}", err=True)


def _write(folder: Path, told: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """explained.json, explained.csv, and two pictures of each."""
    from ..pose.files import write_atomic
    from ..reports.plots.drawing import file_name
    from ..reports.plots.roofline import write_pictures
    from ..reports.tables import plain, render_rows

    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "explained.json", json.dumps(plain(told), indent=2) + "\n")
    write_atomic(folder / "explained.csv", str(render_rows(rows, None, "csv")))
    for one in told:
        place = f"{one['model']} {one['mask']} {one['mask_ratio']:g} {one['runtime']} {one['dtype']}"
        write_pictures(folder, file_name(place), one["rows"], one)
