"""Which of many masks are told first: those on the front of what was measured."""

from __future__ import annotations

import numpy as np

from .headline import lead_point
from .pareto import on_front
from .subject import Point, Subject

MOST = 8


def measured_front(subject: Subject) -> list[Point]:
    """The masked points that no other beats in both accuracy and GFLOPsT, as they were measured."""
    points = [point for point in subject.points if point.accuracy and point.gflops_t is not None]
    accuracy = np.array([[point.accuracy.mean] for point in points]).reshape(-1, 1)
    cost = np.array([[point.gflops_t] for point in points]).reshape(-1, 1)
    return [point for point, there in zip(points, on_front(accuracy, cost)[:, 0], strict=True) if there]


def told_masks(subject: Subject) -> frozenset[str]:
    """All, or of more than MOST those with a point on the front of what was measured, then those that are the most
    accurate at the ratio that the headline tells."""
    if len(subject.series) <= MOST:
        return frozenset(subject.series)
    front = {point.mask for point in measured_front(subject)}
    ratio = lead_point(subject).ratio
    at_ratio = {point.mask: point.accuracy.mean for point in subject.points if point.ratio == ratio and point.accuracy}
    ranked = sorted(subject.series, key=lambda mask: (mask not in front, -at_ratio.get(mask, 0.0)))
    return frozenset(ranked[:MOST])
