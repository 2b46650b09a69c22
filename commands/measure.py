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
    RATIOS,
    Decoder,
    InputSize,
    JointMask,
    masks_of,
)
from .options import Bar, Format, Quiet, Threads, Wide, count, numbers, print_rows, real, size, whole, words

EXAMPLES = """
Examples:

  posebench profile --model tmpose_l --mask random --ratios 0,0.4

  posebench profile --model tmpose_b --mask semantic --ratios 0,0.2,0.4,0.6 --batch-sizes 1,8 --threads 1

  posebench profile --model sparse_tokenpose_s --dataset mpii --mask "sparse,sparse(execution=gather)" --threads 1

  posebench profile --model tmpose_l --device cuda --dtype float16 --batch-sizes 1,64
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
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
    batch_sizes: Annotated[str, typer.Option(help="batch sizes, separated by commas")] = "1",
    threads: Threads = None,
    samples: Annotated[int, whole("timed passes of each configuration, at most", 1)] = 130,
    seconds: Annotated[float, real("time limit for the samples of one batch size, in seconds")] = 20.0,
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="peak memory, each in its own process")] = True,
    weights: Annotated[
        Path | None, typer.Option(help="weights to load into every model; a checkpoint brings its model and mask")
    ] = None,
    format: Format = "table",
    wide: Wide = False,
    quiet: Quiet = False,
) -> None:
    """Measure latency (whole model and transformer part) and memory of several configurations, interleaved.

    The unmasked model is always measured too, so that each saving is measured and not only counted.
    """
    from ..benchmark.profiling.models import profile as measure
    from ..reports.tables import PROFILE_COLUMNS

    chosen = numbers(ratios, "--ratios")
    with Bar("profile", quiet) as bar:
        rows = measure(
            words(model, "--model") or ([] if weights else [DEFAULT_MODEL]),
            dataset=dataset,
            input_size=size(input_size),
            masks=masks_of(mask),
            ratios=chosen,
            baseline=True,
            device=device,
            batch_sizes=numbers(batch_sizes, "--batch-sizes", int),
            dtype=dtype,
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
    caption = (
        f"{first.get('device_name') or first.get('processor', '')}, {first['dtype']}, "
        f"{count(first['threads'], 'thread')}, torch {first['torch_version']}, {first['date_utc']}. "
        "Latency: median and interquartile range."
    )
    print_rows(rows, shown, format, caption, wide=wide)
