"""`posebench export`: a model as the file that another runtime runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from ..pose.errors import InputError
from .model_options import MASKS, OWN, RATIOS, AsPublished, InputSize, JointMask, PositionType, make_model, masks_of
from .options import LARGEST_SEED, check_new, numbers, whole

EXAMPLES = """
Examples:

  posebench export tmpose_l --mask semantic --ratios 0.4 --weights tmpose_l.pth --out tmpose_l.onnx

  posebench export tmpose_tiny --mask tome,evit --ratios 0.2,0.4 --weights best.pt --out exported --dynamic-batch
"""
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("export", rich_help_panel="Train and evaluate", epilog=EXAMPLES)(export)


def export(
    model: Annotated[str, typer.Argument(help="a model of `posebench models`")],
    out: Annotated[Path, typer.Option(help="the file; a folder for several masks or ratios")],
    mask: Annotated[str | None, typer.Option(help=f"separated by commas: {MASKS} {OWN}")] = None,
    ratios: Annotated[str | None, typer.Option(help=f"{RATIOS} {OWN}")] = None,
    weights: Annotated[Path | None, typer.Option(help="weights file (default: none, an untrained network)")] = None,
    runtime: Annotated[str, typer.Option(help="onnx, or torch (torch.export's .pt2)")] = "onnx",
    dynamic_batch: Annotated[bool, typer.Option("--dynamic-batch", help="any batch size (default: 1)")] = False,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="the file takes uint8 RGB and normalises it itself")
    ] = False,
    dataset: Annotated[str | None, typer.Option(help="coco or mpii (default: the weights', else coco)")] = None,
    input_size: InputSize = None,
    joint_mask: JointMask = None,
    as_published: AsPublished = False,
    position_type: PositionType = None,
    seed: Annotated[int | None, whole("of random masks, and of untrained weights", 0, LARGEST_SEED)] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite files")] = False,
) -> None:
    """Write a model for another runtime, one file for each mask and ratio, and check that it gives the same heatmaps.

    Exit 1 if a file differs from the model by more than 1e-4; it is written all the same, to be looked into.
    """
    import torch

    from ..benchmark.export import TOLERANCE, check_runtime
    from ..benchmark.export import export as write
    from ..pose.files import atomic_path

    check_runtime(runtime)
    asked = [(name, ratio) for name in masks_of(mask) or [None] for ratio in numbers(ratios, "--ratios") or [None]]
    if len(asked) == 1:
        check_new(out, "--out", force=force)
    elif out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder for {len(asked)} masks and ratios")
    differ = 0
    for name, ratio in asked:
        described = {
            "name": model, "dataset": dataset, "mask": name, "mask_ratio": ratio, "input_size": input_size,
            "as_published": as_published, "position_type": position_type, "seed": seed, "joint_mask": joint_mask,
        }  # fmt: skip
        torch.manual_seed(seed or 0)
        made = make_model(weights=weights, use="exported", **described).eval()
        if weights is None:
            typer.echo(f"{made.spec.name}: no --weights, so the network is untrained", err=True)
        label = f"{made.spec.mask} {made.spec.mask_ratio:g}"
        path = out if len(asked) == 1 else out / _file_name(f"{made.spec.name} {label}", runtime)
        if path.parent.is_dir():
            check_new(path, "--out", force=force)
        with atomic_path(path) as temporary:
            difference = write(made, temporary, runtime, dynamic_batch=dynamic_batch, normalise=normalise)
        equal = difference <= TOLERANCE
        differ += not equal
        verdict = "equal" if equal else "DIFFERENT"
        print(f"{path}: {made.spec.name}, {label}; {verdict}: heatmaps within {difference:.1e} of eager's")
    if differ:
        raise typer.Exit(1)


def _file_name(label: str, runtime: str) -> str:
    """Such as tmpose_l_prune_layers=3_6_9_0.4.onnx."""
    return re.sub(r"[^\w.=-]+", "_", label) + SUFFIXES[runtime]
