"""`posebench predict`: skeletons, and the tokens that a model looked at, drawn on pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
from .options import numbers
from .train import Device

EXAMPLES = """
Examples:

  posebench predict photo.jpg --weights best.pt --model tmpose_tiny --mask none

  posebench predict photo.jpg --weights best.pt --mask semantic --ratio 0.6 --box 30,12,80,160 --show-mask
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("predict", rich_help_panel="Train and evaluate", epilog=EXAMPLES)(predict)


def predict(
    images: Annotated[list[Path], typer.Argument(help="pictures; each holds one person unless --box is given")],
    weights: Annotated[Path, typer.Option(help="weights file")],
    model: Model = "tmpose_tiny",
    mask: Mask = None,
    ratio: Ratio = None,
    keep: Keep = None,
    merge: Merge = None,
    at: At = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    dataset: Annotated[str, typer.Option(help="coco or mpii keypoints")] = "coco",
    input_size: InputSize = None,
    box: Annotated[list[str] | None, typer.Option(help="X,Y,WIDTH,HEIGHT of a person in px; repeatable")] = None,
    show_mask: Annotated[bool, typer.Option("--show-mask", help="draw which tokens were kept")] = False,
    out: Annotated[Path, typer.Option(help="folder for the pictures")] = Path("predictions"),
    device: Device = "cpu",
    as_published: AsPublished = False,
    position_type: PositionType = None,
) -> None:
    """Draw the skeletons that a model sees; with --show-mask also the tokens that it looked at."""
    import cv2

    from ..benchmark.device import check_device
    from ..pose.data.images import read_image
    from ..pose.evaluation.draw import draw_prediction
    from ..pose.evaluation.predict import predict_image
    from ..pose.files import write_atomic
    from ..pose.keypoints import SKELETONS
    from ..pose.models.weights import load_weights

    target = check_device(device)
    detail = detail_arguments(keep, merge, at, joint_mask, decoder)
    made = make_model(model, dataset, mask, ratio, input_size, as_published, position_type, 0, **detail)
    load_weights(made, weights)
    boxes = [numbers(text, "--box") for text in box] if box else None
    for path in images:
        found = predict_image(made, path, boxes, device=target)
        options: dict[str, Any] = {}
        if show_mask:
            kept = found.kept
            if kept is None:
                raise InputError(
                    f"--show-mask: {made.spec.name} with mask {made.spec.mask} keeps every token; give --mask and "
                    "--ratio of one that drops some"
                )
            options = {
                "kept": kept, "grid": made.spec.grid, "center": found.center, "scale": found.scale,
                "input_size": made.spec.input_size, "holders": found.holders,
            }  # fmt: skip
        picture = draw_prediction(read_image(path), found.keypoints, found.scores, SKELETONS[dataset], **options)
        target_file = out / f"{path.stem}.png"
        if target_file.exists():
            raise InputError(f"{target_file}: exists already; give another --out")
        write_atomic(target_file, cv2.imencode(".png", picture)[1].tobytes())
        print(target_file)
