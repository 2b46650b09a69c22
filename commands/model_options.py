"""The options that say which model a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pose.errors import InputError
from .options import numbers, size, words

if TYPE_CHECKING:
    from ..pose.models.model import PoseModel

#: for help texts, which must not wait for torch; a test holds them to the registries
MASKS = (
    "random, uniform, block, semantic, scorer, norm, first (before the blocks), prune, tome, sparse (in the network)"
)
RATIOS = "fractions of the visual tokens that are gone after the last block, from 0 (unmasked) to below 1"
Model = Annotated[str, typer.Option(help="a model of `posebench models`")]
Mask = Annotated[str | None, typer.Option(help=f"{MASKS} (default: the model's own)")]
Ratio = Annotated[
    float | None, typer.Option("--ratio", help="fraction of the visual tokens gone after the last block, in [0, 1)")
]
InputSize = Annotated[str | None, typer.Option(help="crop as HEIGHTxWIDTH (default: the model's own)")]
AsPublished = Annotated[bool, typer.Option("--as-published", help="the reference code's own behaviours")]
PositionType = Annotated[str | None, typer.Option(help="sine-full, sine, learnable or low-frequency")]
Keep = Annotated[
    str | None,
    typer.Option(help="prune and sparse: share kept at each location, one for all or one each, instead of a ratio"),
]
Merge = Annotated[str | None, typer.Option(help="tome: tokens merged at each location, instead of a ratio")]
At = Annotated[str | None, typer.Option("--at", help="prune, sparse, tome: blocks where they act, from 0")]
Decoder = Annotated[str | None, typer.Option(help="of ViTPose: classic or simple (default: classic)")]
JointMask = Annotated[str | None, typer.Option(help="of sparse TokenPose's joint blocks: skeleton, full or published")]


def make_model(
    name: str,
    dataset: str,
    mask: str | None,
    ratio: float | None,
    input_size: str | None,
    as_published: bool,
    position_type: str | None,
    seed: int,
    **detail: Any,
) -> PoseModel:
    """The model that the options describe; `detail` from `detail_arguments`."""
    from ..pose.models.zoo import create_model

    return create_model(
        name,
        dataset=dataset,
        input_size=size(input_size),
        mask=mask,
        mask_ratio=ratio,
        as_published=as_published,
        position_type=position_type,
        seed=seed,
        **detail,
    )


def detail_arguments(
    keep: str | None, merge: str | None, at: str | None, joint_mask: str | None, decoder: str | None
) -> dict[str, Any]:
    """What of --keep, --merge, --at, --joint-mask and --decoder was given, as arguments of create_model."""

    def one_or_all(values: list[Any]) -> Any:
        return values[0] if len(values) == 1 else tuple(values)

    given: dict[str, Any] = {}
    for option, text in (("--keep", keep), ("--merge", merge), ("--at", at)):
        if text is not None and not words(text):
            raise InputError(f"{option} is empty: give a number, or several separated by commas")
    if keep is not None:
        given["keep"] = one_or_all(numbers(keep, "--keep"))
    if merge is not None:
        given["merge"] = one_or_all(numbers(merge, "--merge", int))
    if at is not None:
        given["locations"] = tuple(numbers(at, "--at", int))
    if joint_mask is not None:
        given["joint_mask"] = joint_mask
    if decoder is not None:
        given["decoder"] = decoder
    return given
