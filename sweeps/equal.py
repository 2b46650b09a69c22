"""Masks compared where they cost the same: accuracy at equal GFLOPsT, interpolated between a sweep's measured ratios.

At the same ratio one mask may cost more than another: a reduction inside the network leaves the first blocks whole, and
choosing tokens by content is compute, too. Best is a sweep at budgets, where each mask was trained at the ratio whose
exact count meets the budget: then measured cells are compared. Between ratios the accuracy is interpolated, monotone
and without corners (PCHIP; F. N. Fritsch and R. E. Carlson, 1980), the unmasked model being ratio 0, in each draw of
images. All cells share the draws, so that every difference is paired; those at one point hold together.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..pose.evaluation.bootstrap import draw_images, score, scores
from ..reports.analysis.intervals import SeedSpread, all_differences, combined
from ..reports.analysis.iso_flops import Difference, IsoFlopsPoint, Standing
from ..reports.analysis.iso_flops_file import write_iso_flops
from ..reports.analysis.series import controls_among
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

    def interval(self, spread: SeedSpread) -> tuple[float, float]:
        """95 % interval of the mean over seeds; draws in which nothing is to be found are left out."""
        mean = self.draws.mean(axis=0)
        mean = mean[np.isfinite(mean)]
        if len(self.values) > 1 and spread.df:
            return combined(float(self.values.mean()), float(mean.std()), spread, len(self.values))[1:3]
        low, high = np.quantile(mean, TAILS)
        return float(low), float(high)


@dataclass(frozen=True)
class Point:
    """A mask at one ratio, measured or between measured ones."""

    mask_ratio: float
    mask_ratio_mean: float
    gflops_t: float
    accuracy: Accuracy


def can_compare(cells: Iterable[CellConfig]) -> bool:
    """Whether a grid holds anything to compare: one model under two masks or more."""
    masks: dict[str, set[str]] = {}
    for cell in cells:
        if cell.evaluates and not cell.is_baseline:
            masks.setdefault(cell.model.name, set()).add(cell.model.mask)
    return any(len(names) > 1 for names in masks.values())


def write_equal(store: SweepStore, cells: list[CellConfig], budgets: Sequence[float] = ()) -> None:
    """Write equal_gflopst.csv from the finished cells, whole or not at all; without points there is no file."""
    points = equal_points(store, cells, budgets)
    if points:
        write_iso_flops(store.equal_file, points)
    else:
        store.equal_file.unlink(missing_ok=True)


def equal_points(store: SweepStore, cells: list[CellConfig], budgets: Sequence[float] = ()) -> list[IsoFlopsPoint]:
    """The points at which the masks of each model are compared, models in the grid's order, points by rising saving.

    budgets: GFLOPsT that the cells were trained for; without them three round savings that every mask reaches.
    Elastic cells are no part of it: each mask is taken at the ratio that it was trained for.
    """
    points = []
    for model in dict.fromkeys(cell.model.name for cell in cells):
        own = [cell for cell in cells if cell.model.name == model and not cell.is_elastic]
        curves = read_curves(store, [cell for cell in own if store.is_done(cell.key)])
        if len(curves) < 2:
            continue
        metric, controls = own[0].metric, controls_among(curves)
        whole = next(iter(curves.values()))[0].gflops_t
        measured = {id(point): point for curve in curves.values() for point in curve}
        table = np.array([point.accuracy.values for point in measured.values()])
        spreads = SeedSpread.pooled(table.tolist()), SeedSpread.beside_each_other(table)
        savings = round_savings([1 - curve[-1].gflops_t / whole for curve in curves.values()])
        for gflops_t in sorted(budgets, reverse=True) or [(1 - saving) * whole for saving in savings]:
            meet = within_budget if budgets else at_gflops_t
            found = {mask: meet(curve, gflops_t) for mask, curve in curves.items()}
            reaching = {mask: point for mask, point in found.items() if point is not None}
            if len(reaching) > 1:
                standings = _standings(reaching, controls, *spreads)
                saving = round(1 - gflops_t / whole, 6)
                points.append(IsoFlopsPoint(model, saving, gflops_t, standings, metric, controls))
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


def within_budget(curve: list[Point], gflops_t: float) -> Point | None:
    """The measured masked point that comes closest to this compute from below, None where all cost more."""
    fitting = [point for point in curve if point.mask_ratio and point.gflops_t <= gflops_t * (1 + ROUNDING)]
    return max(fitting, key=lambda point: point.gflops_t, default=None)


def at_gflops_t(curve: list[Point], gflops_t: float) -> Point | None:
    """The mask's point of this compute, None where it does not reach it. curve: by rising ratio."""
    from scipy.interpolate import PchipInterpolator

    by_cost = {point.gflops_t: point for point in curve}  # of equal costs the higher ratio
    costs = sorted(by_cost)
    if gflops_t < costs[0] * (1 - ROUNDING) or gflops_t > costs[-1]:
        return None
    near = min(costs, key=lambda cost: abs(cost - gflops_t))
    if abs(near - gflops_t) <= ROUNDING * gflops_t:
        return by_cost[near]
    rising = [by_cost[cost] for cost in costs]

    def at(values: list[np.ndarray]) -> np.ndarray:
        every = np.array(values)
        found = np.full(every.shape[1:], np.nan)  # where a draw has nothing to find
        there = np.isfinite(every).all(axis=0)
        found[there] = PchipInterpolator(costs, every[:, there])(gflops_t)
        return found

    return Point(
        float(np.interp(gflops_t, costs, [point.mask_ratio for point in rising])),
        float(np.interp(gflops_t, costs, [point.mask_ratio_mean for point in rising])),
        gflops_t,
        Accuracy(at([point.accuracy.values for point in rising]), at([point.accuracy.draws for point in rising])),
    )


def _standings(
    points: dict[str, Point], controls: Sequence[str], alone: SeedSpread, beside: SeedSpread
) -> list[Standing]:
    """The masks at one GFLOPsT, each with its differences to the best and to the controls.

    alone, beside: the seeds' spread of accuracies, and of differences between them.
    """
    masks = list(points)
    accuracies = [points[mask].accuracy for mask in masks]
    means = np.array([accuracy.values.mean() for accuracy in accuracies])
    draws = np.array([accuracy.draws.mean(axis=0) for accuracy in accuracies])
    half, _ = all_differences(means, draws, beside, len(accuracies[0].values))

    def difference(mask: str, other: str) -> Difference | None:
        if other == mask or other not in points:
            return None
        one, two = masks.index(mask), masks.index(other)
        mean = float(means[one] - means[two])
        return Difference(mean, mean - float(half[one, two]), mean + float(half[one, two]))

    best = masks[int(means.argmax())]
    return [
        Standing(
            mask=mask,
            ratio=points[mask].mask_ratio,
            mean_ratio=points[mask].mask_ratio_mean,
            accuracy=float(mean),
            interval=accuracy.interval(alone),
            std=statistics.stdev(map(float, accuracy.values)) if len(accuracy.values) > 1 else None,
            seeds=len(accuracy.values),
            is_best=mask == best,
            from_best=difference(mask, best),
            from_controls={name: found for name in controls if (found := difference(mask, name))},
        )
        for mask, accuracy, mean in zip(masks, accuracies, means, strict=True)
    ]
