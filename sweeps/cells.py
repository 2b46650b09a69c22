"""From a request to cells: every combination, the unmasked baselines, and the elastic cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..pose.reductions import UNMASKED, ReductionConfig, find_reduction, reduction_config
from .config import CellConfig, Start, Trained
from .request import SweepRequest

Group = dict[ReductionConfig, CellConfig]


def reductions_of(request: SweepRequest) -> list[ReductionConfig]:
    """Every mask at every ratio, once, the unmasked one first: ratio 0 of any mask, and the mask "none" at any ratio.
    A mask whose parameters say how much it leaves takes no ratio; its own is for the model to say (None)."""
    found = [UNMASKED]
    for text in request.masks:
        mask = reduction_config(text)
        if mask.is_fixed:
            found.append(mask)
        elif not mask.is_none:
            found += [reduction_config(mask, ratio) for ratio in request.ratios if ratio > 0]
    return list(dict.fromkeys(found))


def expand(
    models: Sequence[tuple[CellConfig, CellConfig | None]],
    reductions: Mapping[str, Sequence[ReductionConfig]],
    seeds: Sequence[int],
    *,
    elastic: bool = False,
) -> tuple[list[CellConfig], dict[str, CellConfig]]:
    """The cells in the order in which they run, and the base models that they start from, by key.

    models: of each its unmasked cell, and its base model if it has one. reductions: by model, the unmasked one first.
    The baseline is in once per model and seed. Elastic cells follow those of their model and seed.
    """
    cells: list[CellConfig] = []
    bases: dict[str, CellConfig] = {}
    for unmasked, base in models:
        if base is not None:
            bases[base.key] = base
            start = replace(unmasked.train.start, base=base.key)
            unmasked = replace(unmasked, train=replace(unmasked.train, start=start))
        for seed in seeds:
            cell = unmasked.of_seed(seed)
            own = reductions[cell.model.name]
            group = {reduction: _masked(cell, reduction) for reduction in own}
            cells += [*group.values(), *(elastic_cells(group) if elastic else [])]
    return cells, bases


def elastic_cells(group: Group) -> list[CellConfig]:
    """The cells of one model and seed whose training and test ratios differ, by mask, training ratio and test ratio.

    group: its ordinary cells. Each of their models, the unmasked one too, is evaluated at every other ratio; and one
    more is trained with a ratio drawn for each step, 0 among them. That one is evaluated at the highest ratio when it
    is trained, and at the others like the rest.
    """
    baseline = group[UNMASKED]
    found: list[CellConfig] = []
    for mask in dict.fromkeys(replace(reduction, ratio=0.0) for reduction in group if not reduction.is_none):
        own = sorted((r for r in group if replace(r, ratio=0.0) == mask), key=lambda r: r.ratio)
        steps = [mask, *own]
        if find_reduction(mask.name).modules is None:  # an unmasked model has no weights for one that has its own
            found += [_evaluation(baseline, (0.0,), reduction) for reduction in own]
        for reduction in own:
            others = [other for other in steps if other != reduction]
            found += [_evaluation(group[reduction], (reduction.ratio,), other) for other in others]
        highest = group[own[-1]]
        ratios = tuple(reduction.ratio for reduction in steps)
        recipe = replace(highest.train.recipe, mask_ratios=ratios)
        drawn = replace(highest, train=replace(highest.train, recipe=recipe))
        found += [*(_evaluation(drawn, ratios, reduction) for reduction in steps[:-1]), drawn]
    return found


def _masked(cell: CellConfig, reduction: ReductionConfig) -> CellConfig:
    return replace(cell, model=replace(cell.model, reduction=reduction))


def _evaluation(cell: CellConfig, ratios: tuple[float, ...], reduction: ReductionConfig) -> CellConfig:
    """The model of a cell evaluated under another reduction. What it was trained from is said by that cell's key."""
    train = replace(cell.train, start=Start())
    return replace(_masked(cell, reduction), train=train, trained=Trained(cell.key, ratios))
