"""`posebench profile`: latency, memory and counts, measured side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..pose.errors import InputError
from .measured import tell_failed, tell_left_out
from .model_options import (
    DATASET_NAMES,
    DEFAULT_MODEL,
    MASKS,
    OWN,
    RATIOS,
    Decoder,
    InputSize,
    JointMask,
    Precisions,
    Runtimes,
    masks_of,
)
from .options import (
    Bar,
    Device,
    Format,
    Processes,
    Quiet,
    Tf32,
    Threads,
    Wide,
    count,
    numbers,
    on_or_off,
    print_rows,
    real,
    size,
    whole,
    words,
)

EXAMPLES = """
Examples:

  posebench profile --model tmpose_l --mask random --ratios 0,0.4

  posebench profile --model tmpose_b --mask semantic --ratios 0,0.2,0.4,0.6 --batch-sizes 1,8 --threads 1

  posebench profile --model sparse_tokenpose_s --dataset mpii --mask "sparse,sparse(execution=gather)" --threads 1

  posebench profile --model tmpose_l --mask uniform --ratios 0.4 --runtime eager,onnxruntime,openvino --threads 1
  --processes 3

  posebench profile --model tmpose_l --device cuda --precision float16 --batch-sizes 1,64

  posebench profile --model tmpose_l --mask tome --ratios 0.4 --device cuda --tf32 on --energy

  posebench profile --train --model tmpose_tiny --mask none,semantic --ratios 0.4 --threads 2

  posebench profile --model tmpose_l --device cuda --data /data/coco

  posebench profile --deployed --model tmpose_l --mask uniform --ratios 0.4 --people 1,4,16 --flip --threads 1
"""
PEOPLE, SAMPLES = "1,4,16", 130
#: options that --deployed takes, of those that not every way to measure does
_OF_DEPLOYED = ("--calibration", "--runtime", "--precision", "--samples")


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
    device: Device = "cpu",
    runtime: Runtimes = "eager",
    precision: Precisions = "float32",
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="data folder whose training crops calibrate int8, and other precisions are compared on (default: the "
            "embedded set)"
        ),
    ] = None,
    batch_sizes: Annotated[
        str | None, typer.Option(help="batch sizes, separated by commas (default: 1; with --train the recipe's)")
    ] = None,
    threads: Threads = None,
    samples: Annotated[int, whole("timed passes of each configuration, at most", 1)] = SAMPLES,
    seconds: Annotated[float, real("time limit for the samples of one batch size, in seconds")] = 20.0,
    processes: Processes = 1,
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="peak memory, each in its own process")] = True,
    energy: Annotated[
        bool, typer.Option("--energy", help="joules per image too, by NVML or RAPL: 20 s for each configuration")
    ] = False,
    tf32: Tf32 = "off",
    weights: Annotated[
        Path | None, typer.Option(help="weights to load into every model; a checkpoint brings its model and mask")
    ] = None,
    train: Annotated[bool, typer.Option("--train", help="instead where the time of a training step goes")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="a data folder: measure instead how fast it is loaded by 0, 1, 2, 4 .. processes and how fast the "
            "device trains, and say which of them training waits for; with --train: the steps' data (default: embedded)"
        ),
    ] = None,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="instead the cost of an image: crops and decoding of its people as well")
    ] = False,
    people: Annotated[
        str, typer.Option(help="with --deployed: people in the image, numbers separated by commas")
    ] = PEOPLE,
    flip: Annotated[bool, typer.Option("--flip", help="with --deployed: the flip test's second pass, too")] = False,
    format: Format = "table",
    wide: Wide = False,
    quiet: Quiet = False,
) -> None:
    """Measure latency (whole model and transformer part) and memory of several configurations, interleaved.

    The unmasked model is always measured too, so that each saving is measured and not only counted. Every configuration
    is run in each runtime and precision, and first compared with eager: in float32 it must be equal. Exit 1 if one is
    not, or cannot be run.

    --train measures the stages of training steps instead, of the models asked for, and leaves nothing behind.

    --deployed measures images instead: milliseconds for so many people, beside those of the network alone.
    """
    if (flip or people != PEOPLE) and not deployed:
        raise InputError(f"{'--flip' if flip else '--people'} is of --deployed: give that, too")
    without_effect = {
        "--train": train, "--data": data is not None, "--weights": weights is not None, "--no-memory": not memory,
        "--batch-sizes": batch_sizes is not None, "--energy": energy, "--calibration": calibration is not None,
        "--runtime": runtime != "eager", "--precision": precision != "float32",
        "--processes": processes != 1, "--samples": samples != SAMPLES,
    }  # fmt: skip
    on_tf32 = on_or_off(tf32, "--tf32")
    if deployed:
        _refuse(without_effect, "--deployed measures images, whose people are a batch", _OF_DEPLOYED)
        from .profile_deployed import print_deployed

        asked = {
            "names": words(model, "--model") or [DEFAULT_MODEL], "masks": masks_of(mask),
            "ratios": numbers(ratios, "--ratios"), "dataset": dataset, "input_size": size(input_size),
            "joint_mask": joint_mask, "decoder": decoder,
        }  # fmt: skip
        where = {
            "device": device, "runtimes": words(runtime, "--runtime"), "threads": threads, "samples": samples,
            "precisions": words(precision, "--precision"), "seconds": seconds, "tf32": on_tf32,
            "data": calibration and str(calibration),
        }  # fmt: skip
        print_deployed(asked, where, numbers(people, "--people", int), flip, format, wide, quiet)
        return
    if train:
        taken = ("--train", "--data", "--batch-sizes", "--samples")
        _refuse(without_effect, "--train measures new models in eager float32", taken)
        from .profile_train import print_training

        fixed = {"joint_mask": joint_mask, "decoder": decoder, "input_size": size(input_size)}
        asked = {"names": words(model, "--model") or [DEFAULT_MODEL], "masks": masks_of(mask) or ["none"]}
        asked["ratios"] = numbers(ratios, "--ratios")
        sizes = numbers(batch_sizes, "--batch-sizes", int) if batch_sizes else [None]
        how = {"device": device, "tf32": on_tf32, "threads": threads, "steps": samples, "seconds": seconds}
        print_training(asked, fixed, data, dataset, sizes, how, format, wide, quiet)
        return
    if data is not None:
        from .profile_loading import print_loading

        asked = {
            "name": words(model, "--model") or [None], "mask": masks_of(mask) or [None],
            "mask_ratio": numbers(ratios, "--ratios") or [None],
        }  # fmt: skip
        if any(len(values) > 1 for values in asked.values()):
            raise InputError("--data measures one training: give one model, one mask and one ratio")
        _refuse(without_effect, "--data measures training, which is eager", ("--data", "--weights", "--precision"))
        described = {name: values[0] for name, values in asked.items()} | {
            "dataset": dataset, "input_size": input_size, "joint_mask": joint_mask, "decoder": decoder,
        }  # fmt: skip
        target = {"device": device, "tf32": on_tf32}
        print_loading(data, weights, described, target, precision, threads, seconds, format, wide, quiet)
        return
    from ..benchmark.profiling.config import ProfileConfig
    from ..benchmark.profiling.models import profile as measure
    from ..reports.tables import PROFILE_COLUMNS

    chosen = numbers(ratios, "--ratios")
    where = {"device": device, "tf32": on_tf32}
    where |= {"runtimes": words(runtime, "--runtime"), "precisions": words(precision, "--precision")}
    tell_left_out(ProfileConfig.of(dict(where)))
    with Bar("profile", quiet) as bar:
        rows = measure(
            words(model, "--model") or ([] if weights else [DEFAULT_MODEL]),
            dataset=dataset,
            input_size=size(input_size),
            masks=masks_of(mask),
            ratios=chosen,
            baseline=True,
            batch_sizes=numbers(batch_sizes or "1", "--batch-sizes", int),
            **where,
            data=calibration and str(calibration),
            threads=threads,
            samples=samples,
            seconds=seconds,
            processes=processes,
            memory=memory,
            energy=energy,
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
    tell_failed(rows)


def _refuse(given: dict[str, bool], why: str, but: tuple[str, ...]) -> None:
    """InputError naming what is given and would have no effect."""
    wrong = [option for option, there in given.items() if there and option not in but]
    if wrong:
        raise InputError(f"{why}: leave out {' and '.join(wrong)}")
