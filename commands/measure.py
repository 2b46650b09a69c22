"""`posebench profile`: latency, memory and counts, measured side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .model_options import (
    DATASET_NAMES,
    DEFAULT_MODEL,
    MASKS,
    OWN,
    PRECISION_NAMES,
    RATIOS,
    RUNTIME_NAMES,
    Decoder,
    InputSize,
    JointMask,
    masks_of,
)
from .options import Bar, Format, Quiet, Wide, count, numbers, print_rows, size, words

EXAMPLES = """
Examples:

  posebench profile --model tmpose_l --mask random --ratios 0,0.4

  posebench profile --model tmpose_b --mask semantic --ratios 0,0.2,0.4,0.6 --batch-sizes 1,8 --threads 1

  posebench profile --model sparse_tokenpose_s --dataset mpii --mask "sparse,sparse(execution=gather)" --threads 1

  posebench profile --model tmpose_l --mask uniform --ratios 0.4 --runtime eager,onnxruntime,openvino --threads 1

  posebench profile --model tmpose_l --device cuda --precision float16 --batch-sizes 1,64
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("profile", rich_help_panel="Count and measure", epilog=EXAMPLES)(profile)


def profile(
    model: Annotated[
        str | None,
        typer.Option(help="models, separated by commas (default: the one of the weights, else tmpose_tiny)"),
    ] = None,
    mask: Annotated[str | None, typer.Option(help=f"separated by commas: {MASKS} {OWN}")] = None,
    ratios: Annotated[str | None, typer.Option(help=RATIOS)] = None,
    dataset: Annotated[
        str | None, typer.Option(help=f"{DATASET_NAMES} (default: that of the weights, else coco)")
    ] = None,
    input_size: InputSize = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    runtime: Annotated[str, typer.Option(help=RUNTIME_NAMES)] = "eager",
    precision: Annotated[str, typer.Option("--precision", "--dtype", help=PRECISION_NAMES)] = "float32",
    data: Annotated[
        Path | None,
        typer.Option(help="data folder: its training crops calibrate int8, others are compared on (default: embedded)"),
    ] = None,
    batch_sizes: Annotated[str, typer.Option(help="batch sizes, separated by commas")] = "1",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads (default: torch's default)")] = None,
    samples: Annotated[int, typer.Option(min=1, help="timed passes of each configuration, at most")] = 130,
    seconds: Annotated[float, typer.Option(min=0, help="time limit for the samples of one batch size")] = 20.0,
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="peak memory, each in its own process")] = True,
    weights: Annotated[
        Path | None, typer.Option(help="weights to load into every model; a checkpoint brings its model and mask")
    ] = None,
    format: Format = "table",
    wide: Wide = False,
    quiet: Quiet = False,
) -> None:
    """Measure latency (whole model and transformer part) and memory of several configurations, interleaved.

    The unmasked model is always measured too, so that each saving is measured and not only counted. Every configuration
    is run in each runtime and precision, and first compared with eager: in float32 it must be equal. Exit 1 if one is
    not, or cannot be run.
    """
    from ..benchmark.profiling.config import ProfileConfig
    from ..benchmark.profiling.models import profile as measure
    from ..reports.tables import PROFILE_COLUMNS

    chosen = numbers(ratios, "--ratios")
    where = {"device": device, "runtimes": words(runtime, "--runtime"), "precisions": words(precision, "--precision")}
    for line in ProfileConfig.of(dict(where)).runs()[1]:
        typer.echo(f"left out: {line}", err=True)
    with Bar("profile", quiet) as bar:
        rows = measure(
            words(model, "--model") or ([] if weights else [DEFAULT_MODEL]),
            dataset=dataset,
            input_size=size(input_size),
            masks=masks_of(mask),
            ratios=chosen,
            baseline=True,
            batch_sizes=numbers(batch_sizes, "--batch-sizes", int),
            **where,
            data=data and str(data),
            threads=threads,
            samples=samples,
            seconds=seconds,
            memory=memory,
            progress=bar,
            weights=weights,
            joint_mask=joint_mask,
            decoder=decoder,
        )
    shown = PROFILE_COLUMNS if format in ("table", "markdown") else None
    first = rows[0]
    dtypes = "/".join(dict.fromkeys(row["dtype"] for row in rows))
    caption = (
        f"{first.get('device_name') or first.get('processor', '')}, {dtypes}, "
        f"{count(first['threads'], 'thread')}, torch {first['torch_version']}, {first['date_utc']}. "
        "Latency: median and interquartile range."
    )
    print_rows(rows, shown, format, caption, wide=wide)
    failed = [row for row in rows if row.get("error")]
    for row in failed:
        label = f"{row['model']} {row['mask']} {row['mask_ratio']:g}, {row['runtime']} {row['dtype']}"
        typer.echo(f"{label}: {row['error']}", err=True)
    if failed:
        raise typer.Exit(1)
