"""The options that say which model a command is about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pose.errors import InputError
from .options import numbers, size, words

if TYPE_CHECKING:
    from ..pose.models.model import PoseModel

DEFAULT_MODEL = "tmpose_tiny"
#: for help texts, which must not wait for torch; a test holds them to the registries
MASKS = (
    "random, uniform, block, semantic, scorer, norm, first (before the blocks), prune, tome, sparse (in the network)"
)
RATIOS = "fractions of the visual tokens (sparse: connections) gone after the last block, from 0 (unmasked) to below 1"
#: what an option that describes a model says of its default where weights can be given
OWN = "(default: what the weights were trained with, else the model's own)"
Model = Annotated[
    str | None, typer.Option(help="a model of `posebench models` (default: the one of the weights, else tmpose_tiny)")
]
Mask = Annotated[str | None, typer.Option(help=f"{MASKS} {OWN}")]
Ratio = Annotated[
    float | None,
    typer.Option(
        "--ratio", help=f"fraction of the tokens (sparse: connections) gone after the last block, in [0, 1) {OWN}"
    ),
]
InputSize = Annotated[str | None, typer.Option(help=f"crop as HEIGHTxWIDTH {OWN}")]
AsPublished = Annotated[bool, typer.Option("--as-published", help="the reference code's own behaviours")]
PositionType = Annotated[str | None, typer.Option(help="sine-full, sine, learnable or low-frequency")]
Keep = Annotated[
    str | None,
    typer.Option(help="prune and sparse: share kept at each location, one for all or one each, instead of a ratio"),
]
Merge = Annotated[str | None, typer.Option(help="tome: tokens merged at each location, instead of a ratio")]
At = Annotated[str | None, typer.Option("--at", help="prune, sparse, tome: blocks where they act, from 0")]
JointMask = Annotated[str | None, typer.Option(help="of sparse TokenPose's joint blocks: skeleton, full or published")]


def make_model(
    name: str | None,
    dataset: str | None,
    mask: str | None,
    ratio: float | None,
    input_size: str | None,
    as_published: bool,
    position_type: str | None,
    seed: int | None,
    *,
    weights: Path | None = None,
    use: str = "evaluated",
    fresh_scorer: bool = False,
    **detail: Any,
) -> PoseModel:
    """The model that the options describe, with `weights`, which decide what the options leave open; `detail` from
    `reduction_arguments`. On standard error: how its mask relates to the one that it was trained with (see load_model).
    """
    from ..pose.models.as_trained import load_model
    from ..pose.models.zoo import create_model

    asked = {
        "name": name, "dataset": dataset, "input_size": size(input_size), "mask": mask, "mask_ratio": ratio,
        "as_published": as_published or None, "position_type": position_type, "seed": seed, **detail,
    }  # fmt: skip
    if weights is None:
        given = {key: value for key, value in asked.items() if value is not None}
        return create_model(**{"name": DEFAULT_MODEL, **given})
    model, sentence = load_model(weights, use=use, fresh_scorer=fresh_scorer, **asked)
    if sentence:
        typer.echo(sentence, err=True)
    return model


def reduction_arguments(keep: str | None, merge: str | None, at: str | None, joint_mask: str | None) -> dict[str, Any]:
    """What of --keep, --merge, --at and --joint-mask was given, as arguments of create_model."""

    def one_or_all(values: list[Any]) -> Any:
        return values[0] if len(values) == 1 else tuple(values)

    given: dict[str, Any] = {}
    for option, text in (("--keep", keep), ("--merge", merge), ("--at", at)):
        if text is not None and not words(text):
            raise InputError(f"{option} is empty: give a number, or several separated by commas")
    if keep is not None:
        given["keep_ratio"] = one_or_all(numbers(keep, "--keep"))
    if merge is not None:
        given["r"] = one_or_all(numbers(merge, "--merge", int))
    if at is not None:
        given["layers"] = tuple(numbers(at, "--at", int))
    if joint_mask is not None:
        given["joint_mask"] = joint_mask
    return given
