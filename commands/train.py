"""`posebench train` and `posebench eval`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pose.errors import InputError
from ..sweeps.checked import MOST_EPOCHS, MOST_IMAGES, MOST_THREADS
from .artifact_gate import gate
from .model_options import (
    DATA_FOLDER,
    DATASET_NAMES,
    AsPublished,
    Decoder,
    InputSize,
    JointMask,
    Mask,
    Model,
    PositionType,
    Precision,
    Ratio,
    Runtime,
    make_model,
)
from .options import (
    LARGEST_SEED,
    Bar,
    Deterministic,
    Device,
    Format,
    Quiet,
    Tf32,
    Threads,
    check_new,
    count,
    numbers,
    on_or_off,
    real,
    whole,
    words,
)
from .tracking import Track, TrainingTracker

if TYPE_CHECKING:
    from ..pose.datasets import Dataset

Data = Annotated[Path | None, typer.Option(help=f"{DATA_FOLDER} (default: the embedded set, made once)")]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", help=f"what the folder holds: {DATASET_NAMES} (default: its files tell)")
]
Boxes = Annotated[str, typer.Option(help="gt, or a detection file")]
Devices = Annotated[
    str | None,
    typer.Option(help="train on several at once, a process for each: 0,1 for two GPUs; cpu,cpu for two on the CPU"),
]
Workers = Annotated[int, whole("loader processes", 0, MOST_THREADS)]

TRAIN_EXAMPLES = """
Examples:

  posebench train --model tmpose_tiny --mask semantic --ratio 0.4 --out runs/tiny

  posebench train --model tmpose_tiny --mask random --train-ratios 0,0.2,0.4,0.6 --out runs/elastic

  posebench train --model tmpose_l --data /data/coco --backbone-weights hrnet_w48.pth --device cuda --amp --out runs/l
"""
EVAL_EXAMPLES = """
Examples:

  posebench eval --weights runs/tiny/best.pt                             as it was trained

  posebench eval --weights runs/tiny/best.pt --mask random --ratio 0.6   under another mask

  posebench eval --model tmpose_l --weights tmpose_l.pth --data /data/coco --boxes detections.json

  posebench eval --artifact tmpose_l.onnx --weights tmpose_l.pth --data /data/coco --margin 0.002
"""

EVAL_COLUMNS = (
    "model", "dataset", "mask", "mask_ratio", "runtime", "dtype", "eval_people", "ap", "ap_ci_low", "ap_ci_high",
    "ap50", "ap75", "ap_m", "ap_l", "ap_easy", "ap_medium", "ap_hard", "ar", "pckh", "pckh_ci_low", "pckh_ci_high",
    "pckh_01", "loss",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    panel = "Train and evaluate"
    app.command("train", rich_help_panel=panel, epilog=TRAIN_EXAMPLES)(train)
    app.command("eval", rich_help_panel=panel, epilog=EVAL_EXAMPLES)(evaluate)


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
    _set_threads(threads)
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


def evaluate(
    model: Model = None,
    weights: Annotated[
        Path | None, typer.Option(help="weights file; a checkpoint brings its model and mask (default: untrained)")
    ] = None,
    mask: Mask = None,
    ratio: Ratio = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    data: Data = None,
    dataset: DatasetName = None,
    boxes: Boxes = "gt",
    input_size: InputSize = None,
    batch_size: Annotated[int, whole("people at a time", 1, MOST_IMAGES)] = 32,
    flip_test: Annotated[
        bool, typer.Option("--flip-test/--no-flip-test", help="average with the mirrored crop")
    ] = True,
    decode: Annotated[
        str | None, typer.Option(help="dark, hrnet or udp: decoding and crop convention (default: the model's own)")
    ] = None,
    device: Device = "cpu",
    runtime: Runtime = "eager",
    precision: Precision = "float32",
    tf32: Tf32 = "off",
    deterministic: Deterministic = False,
    workers: Workers = 0,
    threads: Threads = None,
    as_published: AsPublished = False,
    position_type: PositionType = None,
    seed: Annotated[
        int | None,
        whole("of random masks, and of untrained weights (default: what the weights had, else 0)", 0, LARGEST_SEED),
    ] = None,
    save_results: Annotated[Path | None, typer.Option(help="write COCO's submission file")] = None,
    artifact: Annotated[
        Path | None,
        typer.Option(
            help="a file of `posebench export`: score it, and its difference to eager with --weights on the same "
            "people, also by their size; exit 1 beyond --margin, with the layer at which the two part"
        ),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="of --artifact: largest difference of the metric (default: AP 0.005)")
    ] = None,
    format: Format = "table",
    quiet: Quiet = False,
) -> None:
    """Evaluate a model: AP (of MPII: PCKh), with a 95 % interval from resampling images."""
    import torch

    from ..benchmark.instruments.device import use_device
    from ..benchmark.profiling.config import RunConfig
    from ..benchmark.profiling.running import Running
    from ..benchmark.runtimes.registry import check_runtime
    from ..pose.evaluation.decode import convention_of
    from ..pose.evaluation.evaluate import evaluate as run
    from ..pose.people.folder import load_people
    from .options import print_rows

    target = use_device(device, tf32=on_or_off(tf32, "--tf32"), deterministic=deterministic)
    where = RunConfig(device, threads, precision, runtime, on_or_off(tf32, "--tf32"))
    check_runtime(runtime, precision, target.type)
    _set_threads(threads)
    if save_results is not None:
        check_new(save_results, "--save-results")
    torch.manual_seed(seed or 0)
    root, which = data_folder(data, dataset, quiet)
    described = {
        "name": model, "dataset": which, "mask": mask, "mask_ratio": ratio, "input_size": input_size,
        "as_published": as_published, "position_type": position_type, "seed": seed, "joint_mask": joint_mask,
        "decoder": decoder,
    }  # fmt: skip
    if artifact is not None:
        others = {
            "--decode": decode, "--save-results": save_results, "--device": target.type != "cpu",
            "--runtime": runtime != "eager", "--precision": precision != "float32",
        }  # fmt: skip
        if given := [option for option, value in others.items() if value]:
            raise InputError(f"{given[0]} with --artifact, which is scored as it is deployed: leave it out")
        run_options = {"flip_test": flip_test, "batch_size": batch_size, "workers": workers}
        gate(
            artifact, described, weights, root, boxes, dataset, margin=margin, threads=threads, format=format,
            quiet=quiet, **run_options,
        )  # fmt: skip
        return
    if margin is not None:
        raise InputError("--margin is of --artifact: leave it out")
    made = make_model(weights=weights, **described)
    crops = {"input_size": made.spec.input_size, "convention": convention_of(decode or made.spec.convention)}
    split = load_people(root, "val", boxes=boxes, dataset=dataset, **crops)
    running = None if where.is_reference else Running(made, where, target, str(root))
    with Bar("evaluating", quiet) as bar:
        found = run(
            made if running is None else running,
            split,
            batch_size=batch_size,
            flip_test=flip_test,
            device=target if running is None else "cpu",
            decode=decode,
            as_published=made.spec.as_published,
            workers=workers,
            progress=bar,
        )
    if save_results is not None:
        _save_results(save_results, found)
    spec = made.spec
    row: dict[str, Any] = {
        "model": spec.name, "dataset": which.name, "mask": spec.mask, "mask_ratio": spec.mask_ratio,
        "boxes": Path(boxes).name, "flip_test": flip_test, "eval_people": found.num_people, **found.metrics,
    }  # fmt: skip
    if running is not None:
        row |= running.columns()
    for name, (low, high) in found.ci.items():
        row |= {f"{name}_ci_low": low, f"{name}_ci_high": high}
    print_rows([row], EVAL_COLUMNS if format in ("table", "markdown") else None, format)
    for note in found.notes if format == "table" else ():
        print(note)
    if weights is None and format == "table":
        print("no --weights were given: these are the scores of an untrained model")


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


def data_folder(data: Path | None, dataset: str | None, quiet: bool) -> tuple[Path, Dataset]:
    """The data folder (the embedded set, made if need be, where none is given) and what it holds."""
    from ..pose.people.folder import detect_dataset
    from ..pose.synth.cache import ensure_default_set

    if data is None:
        with Bar("embedded data set", quiet) as bar:
            data = ensure_default_set(bar)
    return data, detect_dataset(data, dataset)[0]


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


def _save_results(path: Path, found: Any) -> None:
    from ..pose.evaluation.coco_metrics import write_results

    if not isinstance(found.predictions, list):
        raise InputError(f"{path}: submission files are COCO's; this data set has none")
    write_results(path, found.predictions)


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
