"""Masks compared where they cost the same: accuracy at equal GFLOPsT, interpolated between a sweep's measured ratios.

At the same ratio one mask may cost more than another: a reduction inside the network leaves the first blocks whole, and
choosing tokens by content is compute, too. A mask's accuracy at some GFLOPsT is interpolated linearly between the two
neighbouring ratios, the unmasked model being ratio 0. The bootstrap interpolates in each draw of images, and all cells
share the draws, so that every difference is paired.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..pose.evaluation.bootstrap import draw_images, score, scores
from ..reports.analysis.iso_flops import Difference, IsoFlopsPoint, Standing
from ..reports.analysis.iso_flops_file import write_iso_flops
from ..reports.analysis.series import control_among
from .cell_result import read_cell_result
from .config import CellConfig
from .results import read_evidence
from .store import SweepStore

POINTS = 3
ROUNDING = 1e-9  # relative; a saving of whole percent may be the very one that a mask reaches
RESAMPLES, SEED, TAILS = 1000, 0, (0.025, 0.975)  # as in the evaluation of each cell


@dataclass(frozen=True)
class Accuracy:
    """The metric over seeds: of the images as they are, (seeds,), and of each draw of images, (seeds, resamples)."""

    values: np.ndarray
    draws: np.ndarray

    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean over seeds; draws in which nothing is to be found are left out."""
        mean = self.draws.mean(axis=0)
        low, high = np.quantile(mean[np.isfinite(mean)], TAILS)
        return float(low), float(high)

    def minus(self, other: Accuracy) -> Accuracy:
        return Accuracy(self.values - other.values, self.draws - other.draws)


@dataclass(frozen=True)
class Point:
    """A mask at one ratio, measured or between two measured ones."""

    mask_ratio: float
    mask_ratio_mean: float
    gflops_t: float
    accuracy: Accuracy

    def towards(self, other: Point, part: float) -> Point:
        """The point that lies the fraction `part` of the way to `other`."""
        if part in (0.0, 1.0):
            return other if part else self

        def between(a: Any, b: Any) -> Any:
            return a + part * (b - a)

        return Point(
            between(self.mask_ratio, other.mask_ratio),
            between(self.mask_ratio_mean, other.mask_ratio_mean),
            between(self.gflops_t, other.gflops_t),
            Accuracy(
                between(self.accuracy.values, other.accuracy.values), between(self.accuracy.draws, other.accuracy.draws)
            ),
        )


def can_compare(cells: Iterable[CellConfig]) -> bool:
    """Whether a grid holds anything to compare: one model under two masks or more."""
    masks: dict[str, set[str]] = {}
    for cell in cells:
        if cell.evaluates and not cell.is_baseline:
            masks.setdefault(cell.model.name, set()).add(cell.model.mask)
    return any(len(names) > 1 for names in masks.values())


def write_equal(store: SweepStore, cells: list[CellConfig]) -> None:
    """Write equal_gflopst.csv from the finished cells, whole or not at all; without points there is no file."""
    points = equal_points(store, cells)
    if points:
        write_iso_flops(store.equal_file, points)
    else:
        store.equal_file.unlink(missing_ok=True)


def equal_points(store: SweepStore, cells: list[CellConfig]) -> list[IsoFlopsPoint]:
    """The points at which the masks of each model are compared, models in the grid's order, points by rising saving.

    Elastic cells are no part of it: each mask is taken at the ratio that it was trained for.
    """
    points = []
    for model in dict.fromkeys(cell.model.name for cell in cells):
        own = [cell for cell in cells if cell.model.name == model and not cell.is_elastic]
        curves = read_curves(store, [cell for cell in own if store.is_done(cell.key)])
        if len(curves) < 2:
            continue
        metric = own[0].metric
        whole = next(iter(curves.values()))[0].gflops_t
        control = control_among(curves)
        for saving in round_savings([1 - curve[-1].gflops_t / whole for curve in curves.values()]):
            gflops_t = (1 - saving) * whole
            found = {mask: at_gflops_t(curve, gflops_t) for mask, curve in curves.items()}
            reaching = {mask: point for mask, point in found.items() if point is not None}
            points.append(IsoFlopsPoint(model, saving, gflops_t, _standings(reaching, control), metric, control))
    return points


def read_curves(store: SweepStore, cells: list[CellConfig]) -> dict[str, list[Point]]:
    """For each mask of one model its points by rising ratio, the unmasked one first. cells: done ones.

    A ratio counts where it is done for every seed of the unmasked model, so that all means are over the same seeds. A
    mask that saves nothing at its highest ratio, as connections that are cut but still computed, is left out.
    """
    baselines = {cell.seed: cell for cell in cells if cell.is_baseline}
    groups: dict[tuple[str, float], dict[int, CellConfig]] = {}
    for cell in cells:
        if not cell.is_baseline:
            place = _mask_name(store, cell), cell.ratio
            groups.setdefault(place, {})[cell.seed] = cell
    groups = {place: found for place, found in groups.items() if baselines and found.keys() >= baselines.keys()}
    unmasked = _measured(store, list(baselines.values())) if groups else None
    if unmasked is None or not np.isfinite(unmasked.accuracy.values).all():
        return {}
    curves: dict[str, list[Point]] = {}
    for (mask, _), found in sorted(groups.items(), key=lambda item: item[0][1]):
        point = _measured(store, [found[seed] for seed in baselines])
        if point is not None:
            curves.setdefault(mask, [unmasked]).append(point)
    order = dict.fromkeys(_mask_name(store, cell) for cell in cells)
    return {m: curves[m] for m in order if m in curves and curves[m][-1].gflops_t < unmasked.gflops_t}


def _mask_name(store: SweepStore, cell: CellConfig) -> str:
    """As in results.csv, where the reference code's own behaviours give a mask another name."""
    return _counts(store, cell)["mask"]


def _counts(store: SweepStore, cell: CellConfig) -> dict[str, Any]:
    """Of a cell that is done."""
    return read_cell_result(store.cell_dir(cell.key)).counts


def _measured(store: SweepStore, cells: list[CellConfig]) -> Point | None:
    """A configuration over its seeds; None where nothing was scored."""
    counted = _counts(store, cells[0])
    evidence = [read_evidence(store, cell.key) for cell in cells]
    if not all(evidence):
        return None
    counts = draw_images(len(evidence[0]["images"]), RESAMPLES, SEED)
    accuracy = Accuracy(np.array([score(one) for one in evidence]), np.array([scores(one, counts) for one in evidence]))
    ratio = cells[0].ratio
    return Point(ratio, counted.get("mask_ratio_mean", ratio), counted["gflops_t"], accuracy)


def round_savings(reached: list[float]) -> list[float]:
    """Up to POINTS savings in whole percent, evenly up to the largest that every mask reaches (reached: of each)."""
    highest = int(100 * min(reached) * (1 + ROUNDING))
    percents = {round(number * highest / POINTS) for number in range(1, POINTS + 1)} - {0}
    return [percent / 100 for percent in sorted(percents)]


def at_gflops_t(curve: list[Point], gflops_t: float) -> Point | None:
    """The mask's point of this compute, None where it does not reach it. curve: by rising ratio."""
    for left, right in zip(curve, curve[1:], strict=False):
        if left.gflops_t >= gflops_t >= right.gflops_t * (1 - ROUNDING):
            spread = left.gflops_t - right.gflops_t
            return left.towards(right, min(1.0, (left.gflops_t - gflops_t) / spread) if spread else 1.0)
    return None


def _standings(points: dict[str, Point], control: str | None) -> list[Standing]:
    """The masks at one GFLOPsT, each with its differences to the best and to the control."""
    best = max(points, key=lambda mask: points[mask].accuracy.values.mean())
    return [
        Standing(
            mask=mask,
            ratio=point.mask_ratio,
            mean_ratio=point.mask_ratio_mean,
            accuracy=float(point.accuracy.values.mean()),
            interval=point.accuracy.interval(),
            std=statistics.stdev(map(float, point.accuracy.values)) if len(point.accuracy.values) > 1 else None,
            seeds=len(point.accuracy.values),
            is_best=mask == best,
            from_best=_difference(points, mask, best),
            from_control=_difference(points, mask, control),
        )
        for mask, point in points.items()
    ]


def _difference(points: dict[str, Point], mask: str, other: str | None) -> Difference | None:
    if other == mask or other not in points:
        return None
    difference = points[mask].accuracy.minus(points[other].accuracy)
    return Difference(float(difference.values.mean()), *difference.interval())
