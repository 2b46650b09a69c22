"""How sure an accuracy is: intervals by resampling the evaluated images. numpy only.

Images are drawn with replacement, since people of one image share its difficulty (a cluster bootstrap; Efron and
Tibshirani, An Introduction to the Bootstrap, chapters 13 and 8). The score is computed anew for each draw from
`evidence`, a dict of small arrays that an evaluation leaves. Two models are compared on the same draws: most of the
variation is the images', and is common to both.

Evidence of AP: `images` (I,) ids; `positives` (I,) people to find; and for D detections `image` (D,) the image's index,
`score` (D,), `matched` and `ignored` (T, D) at T = 10 thresholds of OKS. Evidence of PCKh: `images` (I,) names, `found`
and `annotated` (I,) joints. Beside them evidence of AP has that of its joints (see joint_similarity.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError, is_shortage

Evidence = Mapping[str, np.ndarray]

RECALLS = np.linspace(0, 1, 101)  # COCO's points of interpolation
CHUNK = 1_000_000  # numbers held at once, about


class PairedDifference(NamedTuple):
    """Score of a minus score of b, in the score's unit, and the interval's ends."""

    difference: float
    low: float
    high: float


def bootstrap_ap(
    evidence: Evidence, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of AP (0 to 1), or of the mean PCKh (percent) where the evidence is MPII's.

    Draws in which nothing is to be found are left out; (nan, nan) if none is left.
    """
    return _interval(scores(evidence, draw_images(len(evidence["images"]), resamples, seed)), confidence)


def paired_bootstrap(
    evidence_a: Evidence,
    evidence_b: Evidence,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """The score of a minus that of b, and its percentile interval over draws of images that are the same for both.

    All NaN where neither has evidence (nothing was scored). Raises InputError when the two evaluations were of
    different images or metrics.
    """
    if not evidence_a and not evidence_b:
        return PairedDifference(math.nan, math.nan, math.nan)
    if not same_metric(evidence_a, evidence_b):
        raise InputError("cannot compare two evaluations of different metrics (AP and PCKh)")
    if not np.array_equal(evidence_a["images"], evidence_b["images"]):
        raise InputError("cannot compare two evaluations of different images; evaluate both on the same split")
    counts = draw_images(len(evidence_a["images"]), resamples, seed)
    low, high = _interval(scores(evidence_a, counts) - scores(evidence_b, counts), confidence)
    return PairedDifference(score(evidence_a) - score(evidence_b), low, high)


def same_metric(one: Evidence, other: Evidence) -> bool:
    """Whether both are of AP, or both of PCKh; other arrays may be in one alone."""
    return all((name in one) == (name in other) for name in ("score", "found"))


def load_evidence(file: Path) -> dict[str, np.ndarray]:
    """What an evaluation left in an npz file; InputError naming the file where it cannot be read."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # numpy and zipfile raise many kinds for a broken file
        if is_shortage(error):  # of a file that may be sound
            raise InputError(f"{file}: not enough memory to read it") from None
        raise InputError(f"{file}: cannot be read ({error}); delete the folder {file.parent} to run it again") from None


def score(evidence: Evidence) -> float:
    """The score itself: AP or PCKh of the images as they are."""
    return float(scores(evidence, np.ones((1, len(evidence["images"])), dtype=np.int64))[0])


def scores(evidence: Evidence, counts: np.ndarray) -> np.ndarray:
    """(R,) scores where image i is taken counts[r, i] times, counts (R, I); NaN where there is nothing to find."""
    if "found" in evidence:
        annotated = counts @ evidence["annotated"]
        return 100 * (counts @ evidence["found"]) / np.where(annotated > 0, annotated, np.nan)
    chunk = max(1, CHUNK // max(1, len(evidence["score"])))
    parts = [average_precision(evidence, counts[i : i + chunk]) for i in range(0, len(counts), chunk)]
    return np.concatenate(parts) if parts else np.zeros(0)


def draw_images(images: int, resamples: int, seed: int) -> np.ndarray:
    """(resamples, images) how often each image is drawn; each row sums to `images`."""
    rng = np.random.default_rng(seed)
    if images == 0:
        return np.zeros((resamples, 0), dtype=np.int64)
    return rng.multinomial(images, np.full(images, 1 / images), size=resamples)


def average_precision(evidence: Evidence, counts: np.ndarray) -> np.ndarray:
    """(R,) AP at OKS 0.50:0.05:0.95 as pycocotools computes it, where image i is taken counts[r, i] times."""
    counts = counts.astype(np.float64)
    positives = counts @ evidence["positives"]
    order = np.argsort(-evidence["score"], kind="mergesort")  # pycocotools' sort: of equal scores the first one first
    weights = counts[:, evidence["image"][order]]
    precisions = np.zeros((len(evidence["matched"]), len(counts), len(RECALLS)))
    for at_threshold, matched, ignored in zip(precisions, evidence["matched"], evidence["ignored"], strict=True):
        at_threshold[:] = _precision_at_recalls(weights, positives, matched[order], ignored[order])
    return np.where(positives > 0, precisions.mean(axis=(0, 2)), np.nan)


def _precision_at_recalls(
    weights: np.ndarray, positives: np.ndarray, matched: np.ndarray, ignored: np.ndarray
) -> np.ndarray:
    """(R, 101) the highest precision at each recall or beyond, 0 where it is not reached.

    Recall grows and precision peaks at true positives only, so that the curve is needed at those alone.
    """
    counted = ~ignored
    hits = np.flatnonzero((matched & counted)[counted])
    seen = np.cumsum(weights[:, counted], axis=1)[:, hits]
    true = np.cumsum(weights[:, counted][:, hits], axis=1)
    recall = true / np.maximum(positives, 1)[:, None]
    precision = true / (seen + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.concatenate([envelope, np.zeros((len(envelope), 1))], axis=1)
    reached = [np.searchsorted(row, RECALLS, side="left") for row in recall]
    return np.take_along_axis(envelope, np.array(reached).reshape(len(envelope), -1), axis=1)


def _interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
