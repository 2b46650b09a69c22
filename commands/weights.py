"""`posebench weights inspect|convert`: what a weights file holds, and its translation to posebench's names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .model_options import DATASET_NAMES, Decoder, InputSize
from .options import check_new, size


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Look into weights files of the papers and of posebench.")
    group.command("inspect", epilog="Example:  posebench weights inspect tokenpose_L_D24_256x192.pth")(inspect)
    group.command("convert", epilog="Example:  posebench weights convert old.pth --model tmpose_l --out new.pt")(
        convert
    )
    app.add_typer(group, name="weights", rich_help_panel="Train and evaluate")


def inspect(file: Annotated[Path, typer.Argument(help="a weights file")]) -> None:
    """Say how many tensors and parameters a file holds and which known models it fits."""
    from ..pose.models.as_trained import trained_in_words
    from ..pose.models.weights import fitting_models
    from ..pose.models.weights_file import printable, read_weights

    source = read_weights(file)
    total = sum(tensor.numel() for tensor in source.tensors.values())
    print(f"{file}: {len(source.tensors)} tensors, {total:,} numbers")
    for name, tensor in list(source.tensors.items())[:5]:
        shape = "x".join(map(str, tensor.shape)) or "scalar"
        print(f"  {printable(source.names[name])} {shape} {str(tensor.dtype).removeprefix('torch.')}")
    fits = fitting_models(source.tensors)
    print(f"fits {', '.join(fits)}" if fits else "fits no model that posebench knows")
    if source.config is not None:
        print(f"{trained_in_words(source)}, as {source.config['name']} ({source.config['dataset']})")


def convert(
    file: Annotated[Path, typer.Argument(help="a weights file")],
    out: Annotated[Path, typer.Option(help="file to write, under posebench's names")],
    model: Annotated[str | None, typer.Option(help="the model that it belongs to (a checkpoint says it)")] = None,
    dataset: Annotated[str | None, typer.Option(help=f"{DATASET_NAMES} (default: a checkpoint's, else coco)")] = None,
    input_size: InputSize = None,
    decoder: Decoder = None,
) -> None:
    """Translate a state dict of the papers' code to posebench's names; of a checkpoint, leave out what only training
    needs."""
    from ..pose.models.as_trained import load_model
    from ..pose.models.weights_file import read_weights
    from ..pose.models.zoo import has_joint_blocks
    from ..pose.training.checkpoint import save_tensors

    check_new(out, "--out")
    source = read_weights(file)
    asked = {"name": model, "dataset": dataset, "input_size": size(input_size), "decoder": decoder}
    if source.config is None:
        # The file's own joint mask, if it has one, goes with its weights.
        has_joints = model and has_joint_blocks(model) and any("joint_mask" in n for n in source.names)
        asked |= {"mask": "none", "joint_mask": "published" if has_joints else None}
    made, _ = load_model(source, **asked)
    kept = {key: value for key, value in source.checkpoint.items() if key not in ("optimizer", "scaler")}
    save_tensors(out, {**kept, "model": made.state_dict()})
    print(f"{out}: {made.spec.name} ({made.spec.dataset}) under posebench's names")
