"""`posebench profile`: latency, memory and counts, measured side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .model_options import MASKS, RATIOS, At, Decoder, JointMask, Keep, Merge, detail_arguments
from .options import Bar, numbers, print_rows, size, words

EXAMPLES = """
Examples:

  posebench profile --model tmpose_l --mask random --ratios 0,0.4

  posebench profile --model tmpose_b --mask semantic --ratios 0,0.2,0.4,0.6 --batch-sizes 1,8 --threads 1

  posebench profile --model sparse_tokenpose_s --dataset mpii --execution dense,gather --threads 1

  posebench profile --model tmpose_l --device cuda --dtype float16 --batch-sizes 1,64
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("profile", rich_help_panel="Count and measure", epilog=EXAMPLES)(profile)


def profile(
    model: Annotated[str, typer.Option(help="models, separated by commas")] = "tmpose_tiny",
    mask: Annotated[str | None, typer.Option(help=f"separated by commas: {MASKS} (default: the model's own)")] = None,
    ratios: Annotated[str | None, typer.Option(help=RATIOS)] = None,
    dataset: Annotated[str, typer.Option(help="coco or mpii")] = "coco",
    input_size: Annotated[str | None, typer.Option(help="crop as HEIGHTxWIDTH (default: the model's own)")] = None,
    keep: Keep = None,
    merge: Merge = None,
    at: At = None,
    execution: Annotated[str | None, typer.Option(help="sparse: dense, gather, or both with a comma")] = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
    batch_sizes: Annotated[str, typer.Option(help="batch sizes, separated by commas")] = "1",
    threads: Annotated[int | None, typer.Option(help="CPU threads (default: torch's default)")] = None,
    samples: Annotated[int, typer.Option(help="timed passes of each configuration, at most")] = 130,
    seconds: Annotated[float, typer.Option(help="time limit for the samples of one batch size")] = 20.0,
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="peak memory, each in its own process")] = True,
    weights: Annotated[Path | None, typer.Option(help="weights to load into every model")] = None,
    format: Annotated[str, typer.Option(help="table, json, csv or markdown")] = "table",
) -> None:
    """Measure latency (whole model and transformer part) and memory of several configurations, interleaved.

    The unmasked model is always measured too, so that each saving is measured and not only counted.
    """
    from ..benchmark.profiling import profile as measure
    from ..reports.tables import PROFILE_COLUMNS

    chosen = numbers(ratios, "--ratios")
    with Bar("profile") as bar:
        rows = measure(
            words(model),
            dataset=dataset,
            input_size=size(input_size),
            masks=words(mask),
            ratios=chosen,
            executions=words(execution),
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
            **detail_arguments(keep, merge, at, joint_mask, decoder),
        )
    shown = PROFILE_COLUMNS if format in ("table", "markdown") else None
    first = rows[0]
    caption = (
        f"{first.get('device_name') or first.get('processor', '')}, {first['dtype']}, {first['threads']} threads, "
        f"torch {first['torch_version']}, {first['date_utc']}. Latency: median and interquartile range."
    )
    print_rows(rows, shown, format, caption)
