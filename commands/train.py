"""`posebench train`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..pose.errors import InputError
from ..sweeps.checked import MOST_EPOCHS, MOST_IMAGES
from .data_options import Data, DatasetName, Workers, data_folder
from .model_options import AsPublished, Decoder, InputSize, JointMask, Mask, Model, PositionType, Ratio, make_model
from .options import (
    LARGEST_SEED,
    Bar,
    Deterministic,
    Device,
    Quiet,
    Tf32,
    Threads,
    count,
    numbers,
    on_or_off,
    real,
    set_threads,
    whole,
    words,
)
from .tracking import Track, TrainingTracker

Devices = Annotated[
    str | None,
    typer.Option(help="train on several at once, a process for each: 0,1 for two GPUs; cpu,cpu for two on the CPU"),
]

TRAIN_EXAMPLES = """
Examples:

  posebench train --model tmpose_tiny --mask semantic --ratio 0.4 --out runs/tiny

  posebench train --model tmpose_tiny --mask random --train-ratios 0,0.2,0.4,0.6 --out runs/elastic

  posebench train --model tmpose_l --data /data/coco --backbone-weights hrnet_w48.pth --device cuda --amp --out runs/l
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("train", rich_help_panel="Train and evaluate", epilog=TRAIN_EXAMPLES)(train)


def train(
    out: Annotated[Path, typer.Option(help="folder of the run: checkpoints and log.csv")],
    model: Model = None,
    mask: Mask = None,
    ratio: Ratio = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    data: Data = None,
    dataset: DatasetName = None,
    train_split: Annotated[
        str,
        typer.Option(help="the people to train on; val: those that are evaluated, too, whose scores then say nothing"),
    ] = "train",
    input_size: InputSize = None,
    epochs: Annotated[
        int | None, whole("default: 300 for the papers' models, the short recipe's for tiny", 1, MOST_EPOCHS)
    ] = None,
    batch_size: Annotated[int | None, whole("default: the recipe's", 1, MOST_IMAGES)] = None,
    learning_rate: Annotated[float | None, real("the highest (default: the recipe's)")] = None,
    clip_norm: Annotated[
        float | None, real("largest norm of the gradient (default: the recipe's)")
    ] = None,
    train_ratios: Annotated[
        str | None,
        typer.Option(
            help="mask ratios to train with, such as 0,0.2,0.4,0.6: each step draws one, so that the model can later be"
            " run at any of them; --ratio is then only what it is evaluated at on the way (default: --ratio alone)"
        ),
    ] = None,
    seed: Annotated[int, whole("of weights, order, augmentation and masks", 0, LARGEST_SEED)] = 0,
    device: Device = "cpu",
    devices: Devices = None,
    sync_batch_norm: Annotated[
        bool,
        typer.Option(
            "--sync-batch-norm/--no-sync-batch-norm",
            help="on several devices: batch norm over the whole batch, as one device has it, or over each one's part",
        ),
    ] = True,
    tf32: Tf32 = "off",
    deterministic: Deterministic = False,
    amp: Annotated[bool, typer.Option("--amp", help="mixed precision (bfloat16)")] = False,
    workers: Workers = 0,
    threads: Threads = None,
    weights: Annotated[
        Path | None, typer.Option(help="weights to start from; a checkpoint brings its model and mask")
    ] = None,
    backbone_weights: Annotated[Path | None, typer.Option(help="an ImageNet HRNet to start from")] = None,
    as_published: AsPublished = False,
    position_type: PositionType = None,
    evaluate_every: Annotated[int, whole("epochs between evaluations; 0 for none")] = 10,
    resume: Annotated[bool, typer.Option("--resume", help="go on where this folder's run stopped")] = False,
    track: Track = None,
    quiet: Quiet = False,
) -> None:
    """Train a model; a checkpoint after every epoch, so that --resume goes on after any interruption.

    Several devices share each batch and train as one would: --devices, or torchrun -m posebench train ...
    """
    import dataclasses

    # Threads that wait for each other by spinning bring training to a crawl beside any other job.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    if "RANK" in os.environ:  # torch warns of parameters that might have been unused but were not
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    import torch

    from ..benchmark.instruments.device import use_device
    from ..pose.models.weights import load_backbone_weights
    from ..pose.models.zoo import is_tiny
    from ..pose.people.folder import load_people
    from ..pose.ranks import joined
    from ..pose.reductions import check_ratio
    from ..pose.training.loop import train as run
    from ..pose.training.recipe import TINY_RECIPE, paper_recipe

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended by a scheduler, say: like Ctrl-C
    own = _own_device(device, devices)
    target = use_device(own, tf32=on_or_off(tf32, "--tf32"), deterministic=deterministic)
    if weights is not None and backbone_weights is not None:
        raise InputError("--weights bring a backbone of their own: leave --backbone-weights out")
    set_threads(threads)
    with joined(target) as ranks, _said_on_interrupt(out):
        torch.manual_seed(seed)
        root, which = data_folder(data, dataset, quiet)
        described = {
            "name": model, "dataset": which, "mask": mask, "mask_ratio": ratio, "input_size": input_size,
            "as_published": as_published, "position_type": position_type, "seed": seed, "joint_mask": joint_mask,
            "decoder": decoder,
        }  # fmt: skip
        made = make_model(weights=weights, use="from here on trained", fresh_scorer=True, **described)
        recipe = TINY_RECIPE if is_tiny(made.spec.name) else paper_recipe(which)
        wanted = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "clip_norm": clip_norm}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        if train_ratios is not None and made.spec.reduction.is_none:
            raise InputError(f"--train-ratios {train_ratios!r}: needs a mask, and a --ratio above 0 to evaluate it at")
        if train_ratios:
            wanted["mask_ratios"] = tuple(map(check_ratio, numbers(train_ratios, "--train-ratios")))
        recipe = dataclasses.replace(recipe, **wanted, amp=amp, workers=workers, seed=seed)
        if backbone_weights is not None:
            load_backbone_weights(made, backbone_weights)
        crops = {"input_size": made.spec.input_size, "convention": made.spec.convention, "dataset": dataset}
        train_data = _train_split(root, train_split, crops)
        val_data = load_people(root, "val", **crops) if evaluate_every else None
        asked = track if ranks.first else None
        bar = Bar("training", quiet or not ranks.first)
        with bar, TrainingTracker(bar, asked, out, described | vars(recipe)) as progress:
            result = run(
                made,
                train_data,
                val_data,
                recipe,
                out,
                device=target,
                resume=resume,
                progress=progress,
                evaluate_every=max(evaluate_every, 1),
                ranks=ranks,
                sync_batch_norm=sync_batch_norm,
            )
        if result.resumed_at == recipe.epochs:
            print(f"{out}: was finished earlier, after {count(recipe.epochs, 'epoch')}; nothing was left to do")
        print(f"loss on a fixed batch: {result.loss_first:.6g} before, {result.loss_last:.6g} after; {result.last}")


def _own_device(device: str, devices: str | None) -> str:
    """The device of this process. Where several are asked for and this is not one of theirs, they are started, waited
    for, and the command ends.
    """
    from ..pose.ranks import local_rank, local_size, started_together
    from .launch import LAUNCHED, launch

    names = [f"cuda:{name}" if name.isdigit() else name for name in words(devices, "--devices")]
    if not names:
        return f"cuda:{local_rank()}" if started_together() and device == "cuda" else device
    repeated = [name for name in names if name != "cpu" and names.count(name) > 1]
    if repeated or device not in ("cpu", *names):
        wrong = f"{repeated[0]} twice" if repeated else f"--device {device} beside it"
        raise InputError(f"--devices {devices!r}: {wrong}; give each device once, and --devices alone")
    if started_together():
        if len(names) != local_size():
            raise InputError(f"--devices {devices!r}: {len(names)} for {count(local_size(), 'process', 'processes')}")
        if LAUNCHED in os.environ:
            from ..sweeps.child import follow_parent

            follow_parent()
        return names[local_rank()]
    if len(names) > 1:
        from ..benchmark.instruments.device import check_device

        for name in names:
            check_device(name)
        raise typer.Exit(launch(sys.argv[1:], len(names)))
    return names[0]


def _train_split(root: Path, split: str, options: dict[str, Any]) -> Any:
    """The people to train on. Those of the validation split only where they are asked for, and then with a word."""
    from ..pose.models.as_trained import CONTAMINATED, EVALUATED_SPLITS
    from ..pose.people.folder import load_people

    try:
        people = load_people(root, split, **options)
    except InputError as error:
        raise InputError(f"{error}; --train-split names other people to train on") from None
    if people.split in EVALUATED_SPLITS:
        typer.echo(f"--train-split {split}: {CONTAMINATED}", err=True)
    return people


@contextlib.contextmanager
def _said_on_interrupt(out: Path) -> Iterator[None]:
    """Ctrl-C is a line that tells how to go on, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        kept = (out / "last.pt").is_file()
        after = f"what is in {out} is kept: the same command with --resume goes on from there" if kept else ""
        typer.echo(f"Interrupted; {after or 'no epoch was finished, so that nothing is kept'}.", err=True)
        raise typer.Exit(130) from None
