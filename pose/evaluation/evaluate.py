"""A model on a split: its scores, how sure they are, and what comparing it with another model needs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.mpii import ground_truth_file, read_entries
from ..data.person import DataSplit
from ..errors import InputError
from ..keypoints import COCO, SKELETONS
from ..ranks import ALONE, Ranks
from .bootstrap import bootstrap_ap
from .coco_metrics import coco_statistics, make_results, person_category_of, read_ground_truth
from .decode import METHODS
from .inference import InferenceOptions, Progress, predict_people
from .mpii_metrics import HeadSizes, pckh, pckh_evidence, read_head_sizes
from .oks import rescore, suppress_duplicates

#: COCO: of two poses of an image that are more similar than this, the worse one is dropped
OKS_NMS = 0.9


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    metrics: COCO `ap`, `ap50`, ... (0 to 1; see coco_metrics), MPII `pckh`, `pckh_01`, ... (percent; see mpii_metrics),
    and `loss` where there are annotated keypoints. ci: 95 % interval of the data set's metric (see metrics.py), by its
    column. evidence: arrays for `paired_bootstrap`, to be saved as npz. predictions: COCO's submission list, or MPII's
    keypoints (n, 16, 3). notes: what a reader of the numbers should know.
    """

    metrics: dict[str, float]
    ci: dict[str, tuple[float, float]]
    evidence: dict[str, np.ndarray]
    predictions: list[dict[str, Any]] | np.ndarray
    seconds: float
    num_people: int
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
    `device` and left in the mode it was in. AP is over all images of the annotation file, without poses that are more
    similar than OKS_NMS to a better one.

    Raises InputError for data that does not fit the model or is broken, NumericalError where heatmaps hold NaN.
    """
    started = time.monotonic()
    skeleton = SKELETONS[data.layout]
    decode = decode or model.spec.convention
    _check(model, data, decode)
    options = InferenceOptions(flip_test, decode, shift, device)
    keypoints, loss = predict_people(
        model, data.people, skeleton, options, batch_size=batch_size, workers=workers, progress=progress, ranks=ranks
    )
    if data.layout == "coco":
        metrics, evidence, predictions = _score_coco(data, keypoints)
        notes: tuple[str, ...] = ()
    else:
        metrics, evidence, notes = _score_mpii(data, keypoints, as_published)
        predictions = keypoints
    if loss is not None:
        metrics["loss"] = loss
    ci = {skeleton.metric.column: bootstrap_ap(evidence, resamples=resamples)} if evidence and resamples else {}
    return Evaluation(metrics, ci, evidence, predictions, time.monotonic() - started, len(data.people), notes)


def _check(model: nn.Module, data: DataSplit, decode: str) -> None:
    if decode not in METHODS:
        raise InputError(f"unknown decoding {decode!r}: use {', '.join(METHODS)}")
    joints = SKELETONS[data.layout].num_keypoints
    if model.spec.num_keypoints != joints:
        raise InputError(
            f"the model predicts {model.spec.num_keypoints} keypoints and {data.annotation_file} has {joints} "
            f"({data.layout}); create the model with dataset={data.layout!r}"
        )
    if not data.people:
        raise InputError(f"{data.annotation_file}: no people to evaluate on")


def _score_coco(
    data: DataSplit, keypoints: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray], list[dict[str, Any]]]:
    image_ids = np.array([person.image_id for person in data.people])
    scores = rescore(keypoints[..., 2], np.array([person.box_score for person in data.people]))
    areas = np.array([np.prod(200 * person.scale) for person in data.people])
    keep = suppress_duplicates(image_ids, keypoints, scores, areas, COCO.oks_sigmas, OKS_NMS)
    ground_truth = read_ground_truth(data.annotation_file)
    results = make_results(image_ids[keep], keypoints[keep], scores[keep], person_category_of(ground_truth))
    return *coco_statistics(ground_truth, results), results


def _score_mpii(
    data: DataSplit, keypoints: np.ndarray, as_published: bool
) -> tuple[dict[str, float], dict[str, np.ndarray], tuple[str, ...]]:
    path = ground_truth_file(data.root)
    if data.split != "val":
        return {}, {}, (f"{path.name} belongs to the split val, not to {data.split}: PCKh not computed",)
    if not path.is_file():
        return {}, {}, (f"no {path.name} (head sizes) in {path.parent}: PCKh not computed",)
    heads = read_head_sizes(path)
    entries = len(read_entries(data.annotation_file))
    if entries != len(heads.size):
        raise InputError(f"{path}: holds {len(heads.size)} people, but {data.annotation_file} has {entries}")
    rows = [person.image_id for person in data.people]  # MPII: the entry's place in the file
    heads = HeadSizes(heads.joints[rows], heads.annotated[rows], heads.size[rows])
    metrics = pckh(keypoints, heads, as_published=as_published)
    notes = (f"pckh_01 is PCKh at a threshold of {metrics['pckh_01_threshold']:g} head sizes",)
    return metrics, pckh_evidence(keypoints, heads, [person.image_path.name for person in data.people]), notes
