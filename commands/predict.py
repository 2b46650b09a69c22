"""`posebench predict`: skeletons, and the tokens that a model looked at, drawn on pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..benchmark.artifacts.formats import format_of
from ..pose.errors import InputError
from ..pose.files import check_replaceable
from .model_options import (
    DATASET_NAMES,
    AsPublished,
    Decoder,
    InputSize,
    JointMask,
    Mask,
    PositionType,
    Ratio,
    make_model,
)
from .options import Device, check_new, numbers, real

EXAMPLES = """
Examples:

  posebench predict photo.jpg --weights runs/tiny/best.pt

  posebench predict photo.jpg --weights runs/tiny/best.pt --box 30,12,80,160 --show-mask

  posebench predict photo.jpg --model tmpose_l.onnx                     the exported file alone

  posebench predict photos/*.jpg --weights tmpose_l.pth --model tmpose_l --boxes detections.json --json poses.json
"""

# A box without a person in it, which a model takes for a person of its mean pose, comes to 0.3 or a little more.
MIN_SCORE = 0.4


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("predict", rich_help_panel="Train and evaluate", epilog=EXAMPLES)(predict)


def predict(
    images: Annotated[list[Path], typer.Argument(help="pictures; each is one person unless boxes are given")],
    weights: Annotated[
        Path | None, typer.Option(help="weights file; a checkpoint brings its model and mask")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="a model of `posebench models` (default: the one of the weights), or a file of `posebench export` "
            "(.onnx, .xml, .pt2), which needs no weights and says the rest itself"
        ),
    ] = None,
    mask: Mask = None,
    ratio: Ratio = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    dataset: Annotated[
        str | None, typer.Option(help=f"keypoints of {DATASET_NAMES} (default: those of the weights, else coco)")
    ] = None,
    input_size: InputSize = None,
    box: Annotated[list[str] | None, typer.Option(help="X,Y,WIDTH,HEIGHT of a person in px; repeatable")] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(help="people to pose: a JSON list of detections as COCO's, by the pictures' file names or ids"),
    ] = None,
    min_score: Annotated[
        float, real("people of a lower score are left out, 0 to 1 (and keypoints below 0.2 are not drawn)", most=1)
    ] = MIN_SCORE,
    show_mask: Annotated[bool, typer.Option("--show-mask", help="draw which tokens were kept")] = False,
    out: Annotated[Path, typer.Option(help="folder for the pictures")] = Path("predictions"),
    json: Annotated[Path | None, typer.Option("--json", help="also write the keypoints, in COCO's result form")] = None,
    device: Device = "cpu",
    as_published: AsPublished = False,
    position_type: PositionType = None,
) -> None:
    """Draw the skeletons that a model sees; with --show-mask also the tokens that it looked at."""
    import cv2

    from ..benchmark.instruments.device import use_device
    from ..pose.crops.images import read_image
    from ..pose.evaluation.coco_metrics import write_results
    from ..pose.evaluation.draw import SCORE_THRESHOLD, ShownTokens, draw_prediction
    from ..pose.evaluation.predict import predict_image
    from ..pose.files import write_atomic
    from ..pose.people.detections import detected_boxes

    target = use_device(device)
    pictures = _pictures(images, out, json)
    if box and boxes is not None:
        raise InputError("--box and --boxes contradict each other: leave one out")
    one_by_one = [numbers(text, "--box") for text in box] if box else None
    people = [(one_by_one, None)] * len(images) if boxes is None else detected_boxes(boxes, images)
    described = {
        "name": model, "dataset": dataset, "mask": mask, "mask_ratio": ratio, "input_size": input_size,
        "as_published": as_published, "position_type": position_type, "joint_mask": joint_mask,
        "decoder": decoder,
    }  # fmt: skip
    made: Any
    if model is not None and format_of(model):
        from ..benchmark.artifacts.file_model import open_file

        said = {**described, "weights": weights, "as_published": as_published or None, "name": None}
        if given := [name for name, value in said.items() if value is not None]:
            option = {"mask_ratio": "ratio"}.get(given[0], given[0]).replace("_", "-")
            raise InputError(f"--{option} with --model {model}: the file says it itself; leave it out")
        if target.type != "cpu":
            raise InputError(f"--device {device} with --model {model}: a file runs on the CPU here; leave it out")
        made = open_file(model)
    elif weights is None:
        raise InputError("give --weights, or as --model a file of posebench export (.onnx, .xml, .pt2)")
    else:
        made = make_model(weights=weights, **described)
    skeleton = made.spec.skeleton
    results: list[dict[str, Any]] = []
    for path, picture, (places, scores) in zip(images, pictures, people, strict=True):
        everybody = predict_image(made, path, places, scores, device=target)
        found = everybody.above(min_score)
        tokens = None
        if show_mask and len(everybody.boxes):
            if everybody.kept is None:
                if not hasattr(made, "kept_indices"):
                    raise InputError(f"--show-mask: {model} gives heatmaps alone; --weights of its network tell")
                raise InputError(
                    f"--show-mask: {made.spec.name} with mask {made.spec.mask} keeps every token; give --mask and "
                    "--ratio of one that drops some"
                )
            crops = found.center, found.scale, made.spec.input_size
            tokens = ShownTokens(found.kept, made.spec.grid, *crops, found.holders)
        drawn = draw_prediction(
            read_image(path, follow=True),
            found.keypoints,
            found.scores,
            skeleton,
            threshold=min(min_score, SCORE_THRESHOLD),
            tokens=tokens,
        )
        write_atomic(picture, cv2.imencode(".png", drawn)[1].tobytes())
        print(picture)
        if left_out := len(everybody.boxes) - len(found.boxes):
            best = everybody.person_scores[everybody.person_scores < min_score].max()
            of = f"{left_out} of {len(everybody.boxes)}"
            typer.echo(f"{path}: {of} left out: score below {min_score:g} (the best {best:.2f})", err=True)
        results += found.results()
    if json is not None:
        write_results(json, results)
        print(json)


def _pictures(images: list[Path], out: Path, json: Path | None) -> list[Path]:
    """The files to draw to; InputError before any work where one is there already, or two are the same."""
    pictures = [out / f"{path.stem}.png" for path in images]
    if json is not None:
        check_new(json, "--json")
    for file in pictures:
        check_replaceable(file)
        if file.exists():
            raise InputError(f"{file}: exists already; give another --out")
        if pictures.count(file) > 1:
            raise InputError(f"{file}: would be drawn from several pictures of that name; give them one at a time")
    return pictures
