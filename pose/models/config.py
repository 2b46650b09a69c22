"""What a model is asked to be, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..datasets.registry import DEFAULT, find_dataset
from ..keypoints import Skeleton
from ..reductions.config import UNMASKED, ReductionConfig
from ..reductions.params import param_text
from ..reductions.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides what a model computes, its weights apart.

    name: of the zoo, or "package.module:name". dataset: whose keypoints it predicts; described: what these are, where
    that name alone does not tell (`Dataset.description`). input_size: (height, width) px, None for the name's own.
    reduction: what lessens its visual tokens. positions: "gather" or "prefix", draw: "sample" or "batch" (see
    `create_model`). seed: of random masks at evaluation. joint_mask: of models with joint blocks. decoder: of models
    without keypoint tokens. source: digest of the file of a model that is not posebench's own.
    """

    name: str
    dataset: str = DEFAULT
    described: str | None = None
    input_size: tuple[int, int] | None = None
    reduction: ReductionConfig = UNMASKED
    positions: str = "gather"
    position_type: str | None = None
    draw: str = "sample"
    seed: int = 0
    as_published: bool = False
    joint_mask: str | None = None
    decoder: str | None = None
    source: str | None = None

    @property
    def skeleton(self) -> Skeleton:
        return find_dataset(self.described or self.dataset).skeleton

    @property
    def mask(self) -> str:
        """The reduction as it is written on the command line: its name, and its parameters where there are any."""
        return self.reduction.text

    @property
    def mask_ratio(self) -> float:
        return self.reduction.ratio or 0.0

    @property
    def label(self) -> str:
        """Such as "tmpose_l random 0.4"; without a ratio where the parameters of the mask say it."""
        return " ".join([self.name, self.mask, *([] if self.reduction.ratio is None else [f"{self.mask_ratio:g}"])])

    def create_arguments(self) -> dict[str, Any]:
        """Keyword arguments that make this model again with `create_model`, plain types only."""
        return {
            "name": self.name,
            "dataset": self.described or self.dataset,
            "input_size": list(self.input_size) if self.input_size else None,
            "mask": self.mask,
            "mask_ratio": self.reduction.ratio,
            "positions": self.positions,
            "position_type": self.position_type,
            "draw": self.draw,
            "seed": self.seed,
            "as_published": self.as_published,
            **({"joint_mask": self.joint_mask} if self.joint_mask else {}),
            **({"decoder": self.decoder} if self.decoder else {}),
        }


@dataclass(frozen=True, kw_only=True)
class ModelSpec(ModelConfig):
    """A resolved configuration and the sizes that follow from it. Sizes are (height, width).

    schedule: how many visual tokens or connections the reduction leaves in which block. udp: it is trained and tested
    in unbiased coordinates (UDP).
    """

    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    sigma: float
    num_keypoints: int
    grid: tuple[int, int]
    schedule: Schedule = field(repr=False)
    udp: bool = False

    @property
    def convention(self) -> str:
        """Of the model's crops (pose/crops/boxes.py), and the name of the decoding that goes with it."""
        return "udp" if self.udp else "dark"

    @property
    def tokens_total(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def tokens_kept(self) -> int:
        """Visual tokens after the last block; cut connections remove none."""
        return self.schedule.last if self.schedule.removes else self.tokens_total

    @property
    def mean_ratio(self) -> float:
        """Fraction of the visual tokens (or connections) that is gone, mean over the blocks."""
        return 1 - self.schedule.mean_left / self.tokens_total


def current_arguments(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `create_model` from those that a checkpoint holds, also one of an earlier version, which kept the
    parameters of a reduction beside its name."""
    arguments = dict(stored)
    old = {new: arguments.pop(name, None) for name, new in _RENAMED.items()}
    inside = ", ".join(f"{name}={_text(value)}" for name, value in sorted(old.items()) if value is not None)
    if inside:
        arguments["mask"] = f"{arguments['mask']}({inside})"
    return arguments


_RENAMED = {"locations": "layers", "keep": "keep_ratio", "merge": "r", "execution": "execution"}


def _text(value: Any) -> str:
    return param_text(tuple(value) if isinstance(value, list) else value)
