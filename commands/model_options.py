"""The options that say which model a command is about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..benchmark.runtimes.catalogue import RUNTIMES
from ..benchmark.runtimes.descriptor import PRECISIONS
from ..pose.datasets.registry import DATASETS
from ..pose.reductions.catalogue import REDUCTIONS
from ..pose.reductions.params import split_reductions
from .options import real, size, words

if TYPE_CHECKING:
    from ..pose.models.model import PoseModel

DEFAULT_MODEL = "tmpose_tiny"
#: for help texts; a reduction of one's own is named as package.module:name
MASKS = f"{', '.join(REDUCTIONS)}, or package.module:name; parameters as in prune(layers=3|6|9)"
#: a user's own is named as package.module:NAME
DATASET_NAMES = f"{', '.join(DATASETS)}, or package.module:NAME"
RUNTIME, PRECISION = f"{', '.join(RUNTIMES)}, or package.module:NAME", ", ".join(PRECISIONS)
RUNTIME_NAMES, PRECISION_NAMES = f"separated by commas: {RUNTIME}", f"separated by commas: {PRECISION}"
DATA_FOLDER = "folder of COCO, MPII or CrowdPose, or one in COCO's style with keypoints of its own"
RATIOS = "fractions of the visual tokens (sparse: connections) gone after the last block, from 0 (unmasked) to below 1"
#: what an option that describes a model says of its default where weights can be given
OWN = "(default: what the weights were trained with, else the model's own)"
Model = Annotated[
    str | None, typer.Option(help="a model of `posebench models` (default: the one of the weights, else tmpose_tiny)")
]
Mask = Annotated[str | None, typer.Option(help=f"{MASKS} {OWN}")]
Ratio = Annotated[
    float | None,
    real(f"fraction of the tokens (sparse: connections) gone after the last block, in [0, 1) {OWN}", "--ratio", most=1),
]
Runtime = Annotated[str, typer.Option("--runtime", help=f"what executes the model: {RUNTIME}")]
Runtimes = Annotated[str, typer.Option("--runtime", help=RUNTIME_NAMES)]
Precision = Annotated[str, typer.Option("--precision", "--dtype", help=PRECISION)]
Precisions = Annotated[str, typer.Option("--precision", "--dtype", help=PRECISION_NAMES)]
InputSize = Annotated[str | None, typer.Option(help=f"crop as HEIGHTxWIDTH {OWN}")]
AsPublished = Annotated[bool, typer.Option("--as-published", help="the reference code's own behaviours")]
PositionType = Annotated[str | None, typer.Option(help="sine-full, sine, learnable or low-frequency")]
Decoder = Annotated[str | None, typer.Option(help="of ViTPose: classic or simple (default: classic)")]
JointMask = Annotated[str | None, typer.Option(help="of sparse TokenPose's joint blocks: skeleton, full or published")]


def masks_of(text: str | None) -> list[str]:
    """The masks of "semantic,prune(layers=3|6|9, keep_ratio=0.7)"; empty for None."""
    return words(text, "--mask", split_reductions)


def make_model(
    *, weights: Path | None = None, use: str = "evaluated", fresh_scorer: bool = False, **asked: Any
) -> PoseModel:
    """The model that the options describe (arguments of create_model; None: not given), with `weights`, which decide
    what the options leave open.

    On standard error: how its mask relates to the one that it was trained with (see load_model).
    """
    from ..pose.models.as_trained import load_model
    from ..pose.models.zoo import create_model

    asked["input_size"] = size(asked["input_size"])
    asked["as_published"] = asked["as_published"] or None
    if weights is None:
        given = {key: value for key, value in asked.items() if value is not None}
        return create_model(**{"name": DEFAULT_MODEL, **given})
    model, sentence = load_model(weights, use=use, fresh_scorer=fresh_scorer, **asked)
    if sentence:
        typer.echo(sentence, err=True)
    return model
