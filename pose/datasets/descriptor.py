"""What posebench knows of a data set without reading it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..keypoints import Skeleton
from ..metrics import AP, Metric
from ..plugins import load_object
from .augmentation import Augmentation

if TYPE_CHECKING:
    import numpy as np

#: width to height of the crops, by which models choose input size, patch and depth
TALL, SQUARE = "3:4", "1:1"
Work = str | Callable[..., Any]


@dataclass(frozen=True)
class Scored:
    """What an evaluator makes of predictions.

    metrics: numbers by name, among them the data set's metric by its column. evidence: arrays that give the metric
    back when images are resampled (see evaluation/bootstrap.py); empty where nothing could be scored. predictions: what
    is handed in to a server. notes: what a reader of the numbers should know.
    """

    metrics: dict[str, float]
    evidence: Mapping[str, np.ndarray]
    predictions: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """One data set. Work that needs more than this package's records is named as "module:function", or given as it is.

    name: in options, results and checkpoints; title: in sentences.
    marks: globs below a folder; a match tells that the folder is of this data set, the deepest match wins.
    example: an annotation file that a message may ask for.
    read: (folder, split, dataset, boxes=, aspect_ratio=, convention=) -> DataSplit; InputError for whatever is wrong.
    evaluate: (data: DataSplit, keypoints (n, J, 3), as_published=) -> Scored; x and y in image px, and score.
    check: (folder, dataset, result: FolderCheck) -> entries to compare with the images; None: what `read` says.
    splits: those there may be; scores are reported on "val".
    crop: TALL or SQUARE. augment: the augmentation of its published recipes.
    adapt: (dataset, folder) -> dataset, where folders say more of themselves than the descriptor does.
    synth: module that writes folders of this kind from the renderer's people; None where there is none.
    complete: every annotation states its area, iscrowd and num_keypoints; elsewhere they may be absent (COCO's layout).
    described: it is known from its annotation file alone, so that its name leads nowhere without its description.
    """

    name: str
    title: str
    skeleton: Skeleton
    read: Work
    evaluate: Work
    marks: tuple[str, ...] = ()
    example: str = ""
    check: Work | None = None
    metric: Metric = AP
    splits: tuple[str, ...] = ("train", "val")
    crop: str = TALL
    augment: Augmentation = field(default_factory=Augmentation)
    adapt: Work | None = None
    synth: str | None = None
    complete: bool = False
    described: bool = False

    def work(self, what: str) -> Callable[..., Any]:
        """The function of the field `what`, imported if need be."""
        value: Any = getattr(self, what)
        work: Callable[..., Any] = load_object(value) if isinstance(value, str) else value
        return work

    def description(self) -> str:
        """All that a model needs of it, as JSON (see described.py)."""
        skeleton = self.skeleton
        return json.dumps({
            "name": self.name,
            "keypoints": list(skeleton.keypoints),
            "flip_pairs": [list(pair) for pair in skeleton.flip_pairs],
            "limbs": [list(limb) for limb in skeleton.limbs],
            "upper_body": list(skeleton.upper_body),
            "sigmas": list(skeleton.oks_sigmas) if skeleton.oks_sigmas else None,
            "crop": self.crop,
        })  # fmt: skip
