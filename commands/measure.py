"""`posebench profile`: latency, memory and counts, measured side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..pose.errors import InputError
from .model_options import (
    DATASET_NAMES,
    DEFAULT_MODEL,
    MASKS,
    OWN,
    RATIOS,
    Decoder,
    InputSize,
    JointMask,
    make_model,
    masks_of,
)
from .options import Bar, Format, Quiet, Wide, count, numbers, print_rows, size, words

EXAMPLES = """
Examples:

  posebench profile --model tmpose_l --mask random --ratios 0,0.4

  posebench profile --model tmpose_b --mask semantic --ratios 0,0.2,0.4,0.6 --batch-sizes 1,8 --threads 1

  posebench profile --model sparse_tokenpose_s --dataset mpii --mask "sparse,sparse(execution=gather)" --threads 1

  posebench profile --model tmpose_l --device cuda --dtype float16 --batch-sizes 1,64

  posebench profile --model tmpose_l --device cuda --data /data/coco     does training wait for its loader?
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
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads (default: torch's default)")] = None,
    samples: Annotated[int, typer.Option(min=1, help="timed passes of each configuration, at most")] = 130,
    seconds: Annotated[float, typer.Option(min=0, help="time limit for the samples of one batch size")] = 20.0,
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="peak memory, each in its own process")] = True,
    weights: Annotated[
        Path | None, typer.Option(help="weights to load into every model; a checkpoint brings its model and mask")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="a data folder: measure instead how fast it is loaded by 0, 1, 2, 4 .. processes and how fast the "
            "device trains, and say which of them training waits for"
        ),
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
    if data is not None:
        asked = {
            "name": words(model, "--model") or [None], "mask": masks_of(mask) or [None],
            "mask_ratio": chosen or [None],
        }  # fmt: skip
        several = next((name for name, values in asked.items() if len(values) > 1), None)
        if several:
            raise InputError("--data measures one training: give one model, one mask and one ratio")
        described = {name: values[0] for name, values in asked.items()} | {
            "dataset": dataset, "input_size": input_size, "joint_mask": joint_mask, "decoder": decoder,
        }  # fmt: skip
        _profile_loading(data, weights, described, device, dtype, threads, seconds, format, quiet)
        return
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


def _profile_loading(
    folder: Path,
    weights: Path | None,
    described: dict[str, Any],
    device: str,
    dtype: str,
    threads: int | None,
    seconds: float,
    format: str,
    quiet: bool,
) -> None:
    """Loader against device: a table and a sentence."""
    import dataclasses

    import torch

    from ..benchmark.instruments.device import check_device
    from ..benchmark.profiling.loading import measure_loading
    from ..pose.models.zoo import is_tiny
    from ..pose.people.folder import detect_dataset, load_people
    from ..pose.training.recipe import TINY_RECIPE, paper_recipe

    target = check_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    which = detect_dataset(folder, described["dataset"])[0]
    made = make_model(
        weights=weights, as_published=False, **described | {"dataset": which}, **({"use": "trained"} if weights else {})
    )
    recipe = TINY_RECIPE if is_tiny(made.spec.name) else paper_recipe(which)
    if dtype != "float32":
        recipe = dataclasses.replace(recipe, amp=True, amp_dtype=dtype)
    crops = {"input_size": made.spec.input_size, "convention": made.spec.convention}
    split = load_people(folder, "train", dataset=described["dataset"], **crops)
    with Bar("loading", quiet) as bar:
        rates = measure_loading(
            made, split, recipe, target, workers=_worker_counts(), seconds=min(seconds, 20.0), progress=bar
        )
    rows = [
        {
            "loader_processes": workers,
            "loader_images_per_s": round(rate, 1),
            "device_images_per_s": round(rates.device, 1),
            "training_images_per_s": round(rates.trained(workers), 1),
        }
        for workers, rate in rates.loader.items()
    ]
    print_rows(rows, None, format)
    if format == "table":
        print(rates.sentence)


def _worker_counts() -> list[int]:
    """0, 1, 2, 4 .. and the number of cores that may be used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return sorted({0, cores, *(2**power for power in range(cores.bit_length()))})
