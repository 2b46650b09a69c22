"""A model on a split: its scores, how sure they are, and what comparing it with another model needs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ..crops.person import DataSplit
from ..errors import InputError
from ..ranks import ALONE, Ranks
from .bootstrap import bootstrap_ap
from .decode import METHODS
from .inference import InferenceOptions, Progress, predict_people


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    metrics: COCO `ap`, `ap50`, ... (0 to 1; see coco_metrics), MPII `pckh`, `pckh_01`, ... (percent; see mpii_metrics),
    and `loss` where there are annotated keypoints. ci: 95 % interval of the data set's metric (see metrics.py), by its
    column. evidence: arrays for `paired_bootstrap`, to be saved as npz. predictions: COCO's submission list, or MPII's
    keypoints (n, 16, 3). keypoints: (n, J, 3) of all people, x and y in image px and score. notes: what a reader of the
    numbers should know.
    """

    metrics: dict[str, float]
    ci: dict[str, tuple[float, float]]
    evidence: dict[str, np.ndarray]
    predictions: list[dict[str, Any]] | np.ndarray
    seconds: float
    num_people: int
    keypoints: np.ndarray
    notes: tuple[str, ...] = field(default=())


def evaluate(
    model: nn.Module,
    data: DataSplit,
    *,
    batch_size: int = 32,
    flip_test: bool = True,
    device: str | torch.device = "cpu",
    decode: str | None = None,
    shift: bool = False,
    as_published: bool = False,
    workers: int = 0,
    resamples: int = 1000,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Evaluate `model` (with a `spec`, as create_model makes) on all people of a split.

    decode: a method of decode.py, by default the model's own ("dark", or "udp" for ViTPose); `data` must have been
    loaded with the crop convention that belongs to it. shift: HRNet's shift in the flip test. as_published: MPII's
    "0.1" is the reference's 0.11. resamples: of the bootstrap, 0 for none. `progress(done, total, loss=)` counts
    people. Several `ranks` share the people and all get what one process does, to the last digit. The model is moved to
    `device` and left in the mode it was in. What is scored how is the data set's to say (see datasets/).

    Raises InputError for data that does not fit the model or is broken, NumericalError where heatmaps hold NaN.
    """
    started = time.monotonic()
    decode = decode or model.spec.convention
    _check(model, data, decode)
    options = InferenceOptions(flip_test, decode, shift, device)
    keypoints, loss = predict_people(
        model, data.people, model.spec.skeleton, options,
        batch_size=batch_size, workers=workers, progress=progress, ranks=ranks,
    )  # fmt: skip
    scored = data.dataset.work("evaluate")(data, keypoints, as_published=as_published)
    metrics, evidence = dict(scored.metrics), dict(scored.evidence)
    if loss is not None:
        metrics["loss"] = loss
    ci = {data.dataset.metric.column: bootstrap_ap(evidence, resamples=resamples)} if evidence and resamples else {}
    seconds = time.monotonic() - started
    return Evaluation(metrics, ci, evidence, scored.predictions, seconds, len(data.people), keypoints, scored.notes)


def _check(model: nn.Module, data: DataSplit, decode: str) -> None:
    if decode not in METHODS:
        raise InputError(f"unknown decoding {decode!r}: use {', '.join(METHODS)}")
    joints = data.dataset.skeleton.num_keypoints
    if model.spec.num_keypoints != joints:
        raise InputError(
            f"the model predicts {model.spec.num_keypoints} keypoints and {data.annotation_file} has {joints} "
            f"({data.layout}); create the model with dataset={data.layout!r}"
        )
    if not data.people:
        raise InputError(f"{data.annotation_file}: no people to evaluate on")
