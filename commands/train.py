"""`posebench train` and `posebench eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pose.errors import InputError
from .model_options import (
    AsPublished,
    At,
    Decoder,
    InputSize,
    JointMask,
    Keep,
    Mask,
    Merge,
    Model,
    PositionType,
    Ratio,
    detail_arguments,
    make_model,
)
from .options import Bar, numbers

if TYPE_CHECKING:
    from ..pose.models.model import PoseModel

Data = Annotated[Path | None, typer.Option(help="COCO or MPII folder (default: the embedded set, made once)")]
Boxes = Annotated[str, typer.Option(help="gt, or a detection file")]
Device = Annotated[str, typer.Option(help="cpu or cuda")]
Threads = Annotated[int | None, typer.Option(help="CPU threads (default: torch's default)")]

TRAIN_EXAMPLES = """
Examples:

  posebench train --model tmpose_tiny --mask semantic --ratio 0.4 --out runs/tiny

  posebench train --model tmpose_tiny --mask random --train-ratios 0,0.2,0.4,0.6 --out runs/elastic

  posebench train --model tmpose_l --data /data/coco --backbone-weights hrnet_w48.pth --device cuda --amp --out runs/l
"""
EVAL_EXAMPLES = """
Examples:

  posebench eval --model tmpose_tiny --weights runs/tiny/best.pt --mask semantic --ratio 0.4

  posebench eval --model tmpose_l --weights tmpose_l.pth --data /data/coco --boxes detections.json
"""

EVAL_COLUMNS = (
    "model", "dataset", "mask", "mask_ratio", "eval_people", "ap", "ap_ci_low", "ap_ci_high", "ap50", "ap75", "ap_m",
    "ap_l", "ar", "pckh", "pckh_ci_low", "pckh_ci_high", "pckh_01", "loss",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    panel = "Train and evaluate"
    app.command("train", rich_help_panel=panel, epilog=TRAIN_EXAMPLES)(train)
    app.command("eval", rich_help_panel=panel, epilog=EVAL_EXAMPLES)(evaluate)


def train(
    out: Annotated[Path, typer.Option(help="folder of the run: checkpoints and log.csv")],
    model: Model = "tmpose_tiny",
    mask: Mask = None,
    ratio: Ratio = None,
    keep: Keep = None,
    merge: Merge = None,
    at: At = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    data: Data = None,
    input_size: InputSize = None,
    epochs: Annotated[
        int | None, typer.Option(help="default: 300 for the papers' models, the short recipe's for tiny")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="default: the recipe's")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="the highest (default: the recipe's)")] = None,
    clip_norm: Annotated[
        float | None, typer.Option(help="largest norm of the gradient (default: the recipe's)")
    ] = None,
    train_ratios: Annotated[
        str | None,
        typer.Option(
            help="mask ratios to train with, such as 0,0.2,0.4,0.6: each step draws one, so that the model can later be"
            " run at any of them; --ratio is then only what it is evaluated at on the way (default: --ratio alone)"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of weights, order, augmentation and masks")] = 0,
    device: Device = "cpu",
    amp: Annotated[bool, typer.Option("--amp", help="mixed precision (bfloat16)")] = False,
    workers: Annotated[int, typer.Option(help="loader processes")] = 0,
    threads: Threads = None,
    weights: Annotated[Path | None, typer.Option(help="weights to start from")] = None,
    backbone_weights: Annotated[Path | None, typer.Option(help="an ImageNet HRNet to start from")] = None,
    as_published: AsPublished = False,
    position_type: PositionType = None,
    evaluate_every: Annotated[int, typer.Option(help="epochs between evaluations; 0 for none")] = 10,
    resume: Annotated[bool, typer.Option("--resume", help="go on where this folder's run stopped")] = False,
) -> None:
    """Train a model; a checkpoint after every epoch, so that --resume goes on after any interruption."""
    import dataclasses
    import os

    # Threads that wait for each other by spinning bring training to a crawl beside any other job.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    import torch

    from ..benchmark.device import check_device
    from ..pose.data.folder import load_people
    from ..pose.masks import check_ratio
    from ..pose.models.weights import load_backbone_weights, load_weights
    from ..pose.training.loop import train as run
    from ..pose.training.recipe import TINY_RECIPE, paper_recipe
    from ..sweeps.plan import is_tiny

    target = check_device(device)
    _set_threads(threads)
    torch.manual_seed(seed)
    root, layout = _data(data)
    detail = detail_arguments(keep, merge, at, joint_mask, decoder)
    made = make_model(model, layout, mask, ratio, input_size, as_published, position_type, seed, **detail)
    recipe = TINY_RECIPE if is_tiny(made.spec.name) else paper_recipe(layout)
    wanted = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "clip_norm": clip_norm}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if train_ratios is not None and made.spec.mask == "none":
        raise InputError(f"--train-ratios {train_ratios!r}: needs a mask, and a --ratio above 0 to evaluate it at")
    wanted |= {"mask_ratios": tuple(map(check_ratio, numbers(train_ratios, "--train-ratios")))} if train_ratios else {}
    recipe = dataclasses.replace(recipe, **wanted, amp=amp, workers=workers, seed=seed)
    if backbone_weights is not None:
        load_backbone_weights(made, backbone_weights)
    if weights is not None:
        load_weights(made, weights, fresh_scorer=True)
    train_data = _train_split(root, made)
    crops = {"input_size": made.spec.input_size, "convention": made.spec.convention}
    val_data = load_people(root, "val", **crops) if evaluate_every else None
    with Bar("training") as bar:
        result = run(
            made,
            train_data,
            val_data,
            recipe,
            out,
            device=target,
            resume=resume,
            progress=bar,
            evaluate_every=max(evaluate_every, 1),
        )
    print(f"loss on a fixed batch: {result.loss_first:.6g} before, {result.loss_last:.6g} after; {result.last}")


def evaluate(
    model: Model = "tmpose_tiny",
    weights: Annotated[Path | None, typer.Option(help="weights file (default: untrained)")] = None,
    mask: Mask = None,
    ratio: Ratio = None,
    keep: Keep = None,
    merge: Merge = None,
    at: At = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    data: Data = None,
    boxes: Boxes = "gt",
    input_size: InputSize = None,
    batch_size: Annotated[int, typer.Option(help="people at a time")] = 32,
    flip_test: Annotated[
        bool, typer.Option("--flip-test/--no-flip-test", help="average with the mirrored crop")
    ] = True,
    decode: Annotated[
        str | None, typer.Option(help="dark, hrnet or udp: decoding and crop convention (default: the model's own)")
    ] = None,
    device: Device = "cpu",
    workers: Annotated[int, typer.Option(help="loader processes")] = 0,
    threads: Threads = None,
    as_published: AsPublished = False,
    position_type: PositionType = None,
    seed: Annotated[int, typer.Option(help="of random masks, and of untrained weights")] = 0,
    save_results: Annotated[Path | None, typer.Option(help="write COCO's submission file")] = None,
    format: Annotated[str, typer.Option(help="table, json, csv or markdown")] = "table",
) -> None:
    """Evaluate a model: AP (COCO) or PCKh (MPII), with a 95 % interval from resampling images."""
    import torch

    from ..benchmark.device import check_device
    from ..pose.data.folder import load_people
    from ..pose.evaluation.decode import convention_of
    from ..pose.evaluation.evaluate import evaluate as run
    from ..pose.models.weights import load_weights
    from .options import print_rows

    target = check_device(device)
    _set_threads(threads)
    if save_results is not None and save_results.exists():
        raise InputError(f"{save_results}: exists already; give another file to --save-results")
    torch.manual_seed(seed)
    root, layout = _data(data)
    detail = detail_arguments(keep, merge, at, joint_mask, decoder)
    made = make_model(model, layout, mask, ratio, input_size, as_published, position_type, seed, **detail)
    if weights is not None:
        load_weights(made, weights)
    decode = decode or made.spec.convention
    crops = {"input_size": made.spec.input_size, "convention": convention_of(decode)}
    split = load_people(root, "val", boxes=boxes, **crops)
    with Bar("evaluating") as bar:
        found = run(
            made,
            split,
            batch_size=batch_size,
            flip_test=flip_test,
            device=target,
            decode=decode,
            as_published=as_published,
            workers=workers,
            progress=bar,
        )
    if save_results is not None:
        _save_results(save_results, found)
    spec = made.spec
    row: dict[str, Any] = {
        "model": spec.name, "dataset": layout, "mask": spec.mask, "mask_ratio": spec.mask_ratio,
        "boxes": Path(boxes).name, "flip_test": flip_test, "eval_people": found.num_people, **found.metrics,
    }  # fmt: skip
    for name, (low, high) in found.ci.items():
        row |= {f"{name}_ci_low": low, f"{name}_ci_high": high}
    print_rows([row], EVAL_COLUMNS if format in ("table", "markdown") else None, format)
    for note in found.notes if format == "table" else ():
        print(note)
    if weights is None and format == "table":
        print("no --weights were given: these are the scores of an untrained model")


def _data(data: Path | None) -> tuple[Path, str]:
    """The data folder (the embedded set, made if need be, where none is given) and its layout."""
    from ..pose.data.folder import detect_layout
    from ..pose.data.synth.cache import ensure_default_set

    if data is None:
        with Bar("embedded data set") as bar:
            data = ensure_default_set(bar)
    return data, detect_layout(data)[0]


def _train_split(root: Path, model: PoseModel) -> Any:
    """The training split; a folder that has only a validation split is trained on that, and says so."""
    from ..pose.data.folder import load_people

    crops = {"input_size": model.spec.input_size, "convention": model.spec.convention}
    try:
        return load_people(root, "train", **crops)
    except InputError:
        split = load_people(root, "val", **crops)
        typer.echo(f"{root} has no training split: training on the validation split", err=True)
        return split


def _save_results(path: Path, found: Any) -> None:
    from ..pose.evaluation.coco_metrics import write_results

    if not isinstance(found.predictions, list):
        raise InputError(f"{path}: submission files are COCO's; this is MPII data")
    write_results(path, found.predictions)


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        if threads < 1:
            raise InputError(f"--threads {threads}: give 1 or more")
        import torch

        torch.set_num_threads(threads)
