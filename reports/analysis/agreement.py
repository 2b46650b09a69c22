"""How far the masks of a model keep the same tokens, and whether they keep those that hold a joint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .series import reduction_of
from .wording import listed, percent

#: what the rank correlation of a pair is taken over
SCORES, FREQUENCY = "scores", "frequency"


@dataclass(frozen=True)
class Kept:
    """What one mask keeps, over people and seeds. tokens: mean, 5th and 95th percentile. joints: share of the annotated
    joints in the crop whose cell is kept; joints_alone: whose cell is kept and merged with no other. map: (rows,
    columns) how often each cell is kept."""

    mask: str
    tokens: float
    tokens_p5: float
    tokens_p95: float
    joints: float | None
    joints_alone: float | None
    map: np.ndarray = field(compare=False)


@dataclass(frozen=True)
class Pair:
    """Two masks on the same people, mean over people and seeds; a mask with itself is compared across seeds.

    iou: of the kept cells; chance: what it would be, had both drawn as many by lot. rank: Spearman's correlation over
    the cells, of each person's scores where both masks have them (by: SCORES), else of how often each cell is kept over
    all people (FREQUENCY); None where nothing varies.
    """

    one: str
    other: str
    iou: float
    chance: float
    rank: float | None
    by: str


@dataclass(frozen=True)
class Agreement:
    """The masks of a model at one mask ratio, on so many people. joints: (rows, columns) share of the joints in each
    cell. pairs: by the two masks' names, in both orders."""

    model: str
    ratio: float
    people: int
    seeds: int
    masks: Sequence[Kept]
    pairs: Mapping[tuple[str, str], Pair]
    joints: np.ndarray = field(compare=False)

    @property
    def between(self) -> list[Pair]:
        """Each pair of different masks, once."""
        names = [kept.mask for kept in self.masks]
        places = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
        return [self.pairs[place] for place in places if place in self.pairs]


def by_model(agreements: Sequence[Agreement]) -> dict[str, list[Agreement]]:
    """Of each model, by rising ratio."""
    models = dict.fromkeys(one.model for one in agreements)
    return {m: sorted((a for a in agreements if a.model == m), key=lambda a: a.ratio) for m in models}


def reference_of(one: Agreement) -> Kept:
    """What the others' maps are held against: the control that keeps most joints; without controls the first mask."""
    controls = [kept for kept in one.masks if _is_control(kept.mask)]
    return max(controls or one.masks[:1], key=lambda kept: kept.joints or 0.0)


def least_alike(one: Agreement) -> Pair | None:
    """Of the masks that look at content, the two that have least in common beyond chance; None without two."""
    controls = {kept.mask for kept in one.masks if _is_control(kept.mask)}
    pairs = [pair for pair in one.between if not {pair.one, pair.other} & controls]
    return min(pairs, key=lambda pair: pair.iou - pair.chance, default=None)


def agreement_sentence(one: Agreement) -> str:
    """Who keeps the joints, whether what looks at no content keeps them as well, and who is most and least alike."""
    text = f"At ratio {one.ratio:g}, on {one.people} people"
    judged = [kept for kept in one.masks if kept.joints is not None]
    parts = []
    if judged:
        best = max(judged, key=lambda kept: kept.joints)
        parts.append(f"{best.mask} keeps the cells of the most joints, {percent(best.joints)}")
        controls = [kept for kept in judged if kept is not best and _is_control(kept.mask)]
        if controls:
            parts[-1] += f" ({listed([f'{kept.mask} {percent(kept.joints)}' for kept in controls])})"
    alike, unlike = max(one.between, key=lambda pair: pair.iou - pair.chance, default=None), least_alike(one)
    if alike:
        parts.append(f"most alike are {_told(alike)}")
    if unlike and unlike is not alike:
        parts.append(f"least alike of those that look at content {_told(unlike)}")
    return f"{text}: {'; '.join(parts)}." if parts else ""


def _told(pair: Pair) -> str:
    return f"{pair.one} and {pair.other} (IoU {pair.iou:.2f}, by chance {pair.chance:.2f})"


def _is_control(mask: str) -> bool:
    reduction = reduction_of(mask)
    return reduction is not None and reduction.control
