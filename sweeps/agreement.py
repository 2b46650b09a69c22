"""Which tokens the masks of a finished sweep keep in common: from what each cell noted of some people it was judged by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import combinations

import numpy as np

from ..pose.evaluation.choices import MOST, Choices
from ..reports.analysis.agreement import FREQUENCY, SCORES, Agreement, Kept, Pair
from ..reports.analysis.agreement_file import MAPS, TABLE, write_agreements
from .cell_result import read_cell_result
from .config import CellConfig
from .data import load_split
from .events import Event, Listener, ignore
from .store import SweepStore
from .stored import read_stored
from .tokens import FILE, chooses, stored_choices, write_choices

Place = tuple[str, float]


def write_agreement(store: SweepStore, cells: Sequence[CellConfig]) -> list[Agreement]:
    """Write agreement.csv and agreement.npz from the finished cells; without any that noted their tokens no files."""
    found = agreements_of(store, cells)
    if found:
        write_agreements(store.root, found)
    else:
        for name in (TABLE, MAPS):
            (store.root / name).unlink(missing_ok=True)
    return found


def agreements_of(store: SweepStore, cells: Sequence[CellConfig]) -> list[Agreement]:
    """By model and ratio, of two masks or more; over the seeds that most masks have, without the others."""
    choices: dict[Place, dict[str, dict[int, Choices]]] = {}
    for cell in cells:
        if chooses(cell) and store.is_done(cell.key) and (noted := stored_choices(store.cell_dir(cell.key))):
            mask = read_cell_result(store.cell_dir(cell.key)).counts["mask"]
            choices.setdefault((cell.model.name, cell.ratio), {}).setdefault(mask, {})[cell.seed] = noted
    found = []
    for (model, ratio), masks in choices.items():
        counts = Counter(seed for by_seed in masks.values() for seed in by_seed)
        seeds = sorted(seed for seed, count in counts.items() if count == max(counts.values()))
        same = {name: [own[seed] for seed in seeds] for name, own in masks.items() if own.keys() >= set(seeds)}
        if len(same) < 2:
            continue
        people = reduce(np.intersect1d, [one.people for own in same.values() for one in own])
        if not len(people):
            continue
        same = {name: [_about(one, people) for one in own] for name, own in same.items()}
        some = next(iter(same.values()))[0]
        where = np.bincount(some.joints[some.joints >= 0], minlength=some.kept.shape[1])
        joints = (where / max(where.sum(), 1)).reshape(some.grid)
        kept = [_kept(name, own) for name, own in same.items()]
        found.append(Agreement(model, ratio, len(some.people), len(seeds), kept, pairs_of(same), joints))
    return sorted(found, key=lambda one: [cell.model.name for cell in cells].index(one.model))


def _about(one: Choices, people: np.ndarray) -> Choices:
    """The choices of those people alone."""
    rows = np.flatnonzero(np.isin(one.people, people))
    ranks = None if one.ranks is None else one.ranks[rows]
    return replace(one, people=one.people[rows], kept=one.kept[rows], alone=one.alone[rows], joints=one.joints[rows],
                   ranks=ranks)  # fmt: skip


def _kept(mask: str, seeds: Sequence[Choices]) -> Kept:
    annotated = seeds[0].joints >= 0
    shares: dict[str, float | None] = {"kept": None, "alone": None}
    if annotated.any():
        for name in shares:
            hit = [np.take_along_axis(getattr(one, name), one.joints.clip(min=0), 1)[annotated] for one in seeds]
            shares[name] = float(np.mean(hit))
    often = np.mean([one.kept.mean(axis=0) for one in seeds], axis=0).reshape(seeds[0].grid)
    tokens = np.array([one.kept.sum(axis=1) for one in seeds])
    spread = map(float, (tokens.mean(), *np.percentile(tokens, (5, 95))))
    return Kept(mask, *spread, *shares.values(), often)


def pairs_of(masks: Mapping[str, Sequence[Choices]]) -> dict[tuple[str, str], Pair]:
    """Every pair of masks, in both orders, from what each seed of each noted of the same people; of a mask with itself
    every pair of its seeds."""
    ranks = {name: [_ranks(one) for one in seeds] for name, seeds in masks.items()}
    often = {name: [_standard(_tied_ranks(one.kept.mean(axis=0)[None])) for one in s] for name, s in masks.items()}
    names = list(masks)
    pairs = {}
    for number, one in enumerate(names):
        for other in names[number:]:
            seeds = range(len(masks[one]))
            meetings = list(combinations(seeds, 2)) if one == other else [(seed, seed) for seed in seeds]
            if not meetings:
                continue
            both = [(masks[one][a].kept, masks[other][b].kept) for a, b in meetings]
            by = SCORES if masks[one][0].ranks is not None and masks[other][0].ranks is not None else FREQUENCY
            table = ranks if by == SCORES else often
            rank = [_correlation(table[one][a], table[other][b]) for a, b in meetings]
            iou, chance = (float(np.mean([of(a, b) for a, b in both])) for of in (_iou, _chance))
            known = [value for value in rank if value is not None]
            pair = Pair(one, other, iou, chance, float(np.mean(known)) if known else None, by)
            pairs |= {(one, other): pair, (other, one): pair}
    return pairs


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    """Of kept cells (n, N), mean over people."""
    return float(((a & b).sum(axis=1) / (a | b).sum(axis=1)).mean())


def _chance(a: np.ndarray, b: np.ndarray) -> float:
    """The same, were as many cells kept at random: of sizes k and l of N cells, kl / N are expected in common."""
    k, l, cells = a.sum(axis=1), b.sum(axis=1), a.shape[1]  # noqa: E741
    common = k * l / cells
    return float((common / (k + l - common)).mean())


def _ranks(one: Choices) -> np.ndarray | None:
    return None if one.ranks is None else _standard(one.ranks)


def _tied_ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(values, axis=1)


def _standard(ranks: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1, so that their product is a correlation; of equal ranks NaN."""
    off = ranks - ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((off**2).sum(axis=1, keepdims=True))
    return off / np.where(length > 0, length, np.nan)


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Mean over people; None where no one's varies."""
    each = (a * b).sum(axis=1)
    each = each[np.isfinite(each)]
    return float(each.mean()) if len(each) else None


def note_missing(store: SweepStore, people: int = MOST, on_event: Listener = ignore) -> tuple[list[CellConfig], int]:
    """Ask the trained models of the finished cells that have not noted their tokens, or those of fewer or more people;
    returns all finished cells and how many were asked. InputError where a model's weights or its data are gone."""
    from .work import evaluated_model

    stored = read_stored(store)
    cells = [cell for cell in stored.done if chooses(cell)]
    data_root = stored.data.data_dir
    splits: dict[str, object] = {}
    asked = 0
    for number, cell in enumerate(cells):
        folder = store.cell_dir(cell.key)
        noted = stored_choices(folder)
        most = min(people, stored.data.eval_people)
        if noted is not None and len(noted.people) == most:
            continue
        model = evaluated_model(store, stored.request, cell, data_root)
        if cell.model.name not in splits:
            splits[cell.model.name] = load_split(data_root, "val", model.spec, stored.request.boxes)
        how = {"device": "cpu", "batch_size": cell.eval.batch_size, "people": people}
        write_choices(folder, model, splits[cell.model.name], **how)
        asked += 1
        on_event(Event("progress", "agreement", FILE, number + 1, len(cells)))
    return cells, asked
