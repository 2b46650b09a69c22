"""The Pareto front of accuracy and cost, and how sure it is: in what share of the draws a point is on it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .evidence import DRAWS, EvidenceFiles, same_people
from .intervals import NORMAL, Estimate, SeedSpread
from .results import is_missing
from .subject import Point, Subject


def on_front(accuracy: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Which of M points are dominated by none: (M, R) flags from accuracies and costs (M, R).

    One dominates another where it is at least as accurate for at most its cost, and better in one of the two.
    """
    front = np.ones(accuracy.shape, dtype=bool)
    for one, paid in zip(accuracy, cost, strict=True):
        front &= ~((one >= accuracy) & (paid <= cost) & ((one > accuracy) | (paid < cost)))
    return front


def front_shares(
    subject: Subject, points: Sequence[Point], savings: Sequence[Estimate], evidence: EvidenceFiles
) -> tuple[list[float], bool]:
    """For each point the share of draws in which it is on the front, and whether the draws are of the same people.

    A draw is of the people, from the evidence that the cells kept, with the noise of other trainings, and of times.
    Without evidence of all cells each difference to the unmasked model is drawn from its interval by itself.
    """
    rng = np.random.default_rng(0)
    accuracy = _drawn(subject, points, evidence, rng)
    paired = accuracy is not None
    if accuracy is None:
        accuracy = np.array([_around(point.difference, rng) for point in points])
    cost = np.array([_costs(saved, rng) for saved in savings])
    there = np.isfinite(accuracy).all(axis=0)
    if not there.any():
        return [math.nan] * len(points), paired
    return on_front(accuracy[:, there], cost[:, there]).mean(axis=1).tolist(), paired


def _drawn(
    subject: Subject, points: Sequence[Point], evidence: EvidenceFiles, rng: np.random.Generator
) -> np.ndarray | None:
    """(M, R) mean scores over the seeds in draws of the people that all share, with the noise of trainings."""
    first = evidence.of(points[0].cells[0]) if points and points[0].cells else None
    for point in points:
        if not point.cells or not all(same_people(first, evidence.of(row)) for row in point.cells):
            return None
    means = np.array([np.mean([evidence.drawn(row) for row in point.cells], axis=0) for point in points])
    spread = _trainings(subject, points)
    counts = np.array([len(point.cells) for point in points])
    noise = rng.standard_normal(means.shape) * np.sqrt(spread.variance / counts)[:, None]
    if spread.df:
        noise *= np.sqrt(spread.df / rng.chisquare(spread.df, means.shape[1]))
    return means + noise


def _trainings(subject: Subject, points: Sequence[Point]) -> SeedSpread:
    """Of one training beside the others: what all cells of a seed have in common moves no point against another."""
    column = subject.metric.column
    scores = [
        {row["seed"]: float(row[column]) for row in point.cells if not is_missing(row.get(column))} for point in points
    ]
    seeds = sorted(scores[0])
    if len(points) > 1 and len(seeds) > 1 and all(sorted(own) == seeds for own in scores):
        return SeedSpread.beside_each_other(np.array([[own[seed] for seed in seeds] for own in scores]))
    return SeedSpread.pooled([*own.values()] for own in scores)


def _around(estimate: Estimate | None, rng: np.random.Generator) -> np.ndarray:
    """Draws around a difference; the unmasked model has none, and is 0."""
    from scipy import stats

    if estimate is None:
        return np.zeros(DRAWS)
    half = (estimate.high - estimate.low) / 2
    draws = rng.standard_normal(DRAWS) if math.isinf(estimate.df) else rng.standard_t(estimate.df, DRAWS)
    return estimate.value + draws * half / float(stats.t.ppf(0.975, estimate.df))


def _costs(saved: Estimate, rng: np.random.Generator) -> np.ndarray:
    """Draws of the share that is left to pay."""
    return 1 - saved.value + rng.standard_normal(DRAWS) * (saved.high - saved.low) / (2 * NORMAL)
