"""`posebench weights inspect|convert`: what a weights file holds, and its translation to posebench's names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..pose.errors import InputError
from .model_options import Decoder
from .options import size


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
    from ..pose.models.weights import fitting_models, read_state_dict

    state = read_state_dict(file)
    total = sum(tensor.numel() for tensor in state.values())
    print(f"{file}: {len(state)} tensors, {total:,} numbers")
    for name in list(state)[:5]:
        shape = "x".join(map(str, state[name].shape)) or "scalar"
        print(f"  {name} {shape} {str(state[name].dtype).removeprefix('torch.')}")
    fits = fitting_models(state)
    print(f"fits {', '.join(fits)}" if fits else "fits no model that posebench knows")


def convert(
    file: Annotated[Path, typer.Argument(help="a weights file")],
    model: Annotated[str, typer.Option(help="the model that it belongs to")],
    out: Annotated[Path, typer.Option(help="file to write, under posebench's names")],
    dataset: Annotated[str, typer.Option(help="coco or mpii")] = "coco",
    input_size: Annotated[str | None, typer.Option(help="crop as HEIGHTxWIDTH (default: the model's own)")] = None,
    decoder: Decoder = None,
) -> None:
    """Translate a state dict of the papers' code to posebench's names."""
    import torch

    from ..pose.files import atomic_path
    from ..pose.models.architectures import MODELS
    from ..pose.models.weights import load_weights, read_state_dict
    from ..pose.models.zoo import create_model, resolve_name

    if out.exists():
        raise InputError(f"{out}: exists already; give another --out")
    # The file's own joint mask, if it has one, goes with its weights.
    has_joints = any(name.endswith("joint_mask") for name in read_state_dict(file))
    joint_mask = "published" if has_joints and MODELS[resolve_name(model)].joint_blocks else None
    made = create_model(
        model, dataset=dataset, input_size=size(input_size), mask="none", joint_mask=joint_mask, decoder=decoder
    )
    load_weights(made, file)
    with atomic_path(out) as temporary:
        torch.save({"model": made.state_dict()}, temporary)
    print(f"{out}: {model} ({dataset}) under posebench's names")
