"""Elastic evaluation: a model trained at one mask ratio and evaluated at others, as a matrix and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...pose.errors import InputError
from ...pose.metrics import Metric
from ...pose.reductions import NONE
from .comparison import has_measurement
from .grouping import SUBJECT_KEYS, SeriesNames, grouped, is_elastic, label_of, metric_of
from .results import Spread, once_per_cell, records_of, spread, to_frame
from .verdicts import outside_spread
from .wording import listed

#: the mask ratios that a model was trained at: one, or several of which each training step drew one
Trained = tuple[float, ...]
_UNMASKED: Trained = (0.0,)


@dataclass(frozen=True)
class Matrix:
    """Accuracies of one subject and mask: `cells` maps (trained at, evaluated at) to the accuracy over seeds.

    `trained` and `tested` are the rows' and columns' ratios in order; `trained` lists single ratios first.
    """

    label: str
    mask: str
    metric: Metric
    trained: Sequence[Trained]
    tested: Sequence[float]
    cells: Mapping[tuple[Trained, float], Spread]


def elastic_matrices(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[Matrix]:
    """A matrix for each subject and mask that has rows trained at other ratios than they were evaluated at.

    Where training and evaluation agree, the subject's ordinary rows fill the cells, the unmasked model's that of
    ratio 0. Raises InputError for a train_ratio that holds no ratios.
    """
    records = [row for row in records_of(to_frame(rows)) if has_measurement(row)]
    if not any(map(is_elastic, records)):
        return []
    name_of = SeriesNames(records)
    matrices = []
    for key, members in grouped(records).items():
        keys = dict(zip(SUBJECT_KEYS, key, strict=True))
        metric = metric_of(keys["dataset"], members)
        same_model = [row for row in records if row["model"] == keys["model"]]
        for mask in dict.fromkeys(name_of(row) for row in members if is_elastic(row)):
            own = [row for row in members if name_of(row) in (NONE, mask)]
            cells = _cells(own, metric)
            trained = sorted(dict.fromkeys(trained for trained, _ in cells), key=lambda t: (len(t) > 1, t))
            tested = sorted({ratio for _, ratio in cells})
            matrices.append(Matrix(label_of(keys, same_model), mask, metric, trained, tested, cells))
    return matrices


def elastic_sentences(matrix: Matrix) -> list[str]:
    """What the matrix says: of the unmasked model when masked, of masked ones when unmasked, of the drawn ratio."""
    return [sentence for sentence in (_unprepared(matrix), _unmasked_use(matrix), *_drawn(matrix)) if sentence]


def trained_name(trained: Trained, several_drawn: bool = False) -> str:
    """A row's name: "unmasked", "0.4", "drawn per step" (from which ratios, if `several_drawn` rows are so)."""
    if trained == _UNMASKED:
        return "unmasked"
    if len(trained) == 1:
        return f"{trained[0]:g}"
    return f"drawn from {', '.join(f'{ratio:g}' for ratio in trained)}" if several_drawn else "drawn per step"


def _cells(rows: Sequence[dict[str, Any]], metric: Metric) -> dict[tuple[Trained, float], Spread]:
    groups: dict[tuple[Trained, float], list[dict[str, Any]]] = {}
    # Ordinary rows come last: a cell that both fill is theirs.
    for elastic in (True, False):
        part: dict[tuple[Trained, float], list[dict[str, Any]]] = {}
        for row in once_per_cell(rows):
            if is_elastic(row) is elastic:
                tested = round(row["mask_ratio"] or 0.0, 6)
                trained = _ratios(row["train_ratio"]) if elastic else (tested,)
                part.setdefault((trained, tested), []).append(row)
        groups |= part
    cells = {place: spread(row[metric.column] for row in members) for place, members in groups.items()}
    return {place: accuracy for place, accuracy in cells.items() if accuracy is not None}


def _ratios(text: str) -> Trained:
    try:
        ratios = tuple(sorted({round(float(part), 6) for part in text.split(",")}))
    except ValueError:
        ratios = ()
    if not ratios or not all(0.0 <= ratio < 1.0 for ratio in ratios):
        raise InputError(f"results.csv, column train_ratio: {text!r} is no mask ratio, nor several with commas between")
    return ratios


def _unprepared(matrix: Matrix) -> str | None:
    """The unmasked model under the mask, against the models trained at each ratio."""
    pairs = _pairs(matrix, _UNMASKED, [ratio for ratio in matrix.tested if ratio > 0])
    if not pairs:
        return None
    deepest, own, specialised = pairs[-1]
    text = (
        f"Masked at {deepest:g}, the model trained unmasked has {_value(own, matrix)}:"
        f" {_against(own, specialised, matrix)} the one trained at {deepest:g}"
        f" ({matrix.metric.text(specialised.mean)})"
    )
    others = [f"{_against(one, other, matrix).removesuffix(' with')} at {ratio:g}" for ratio, one, other in pairs[:-1]]
    return text + (f"; in the same comparison {listed(others)}" if others else "") + "."


def _unmasked_use(matrix: Matrix) -> str | None:
    """The model trained at the deepest ratio, evaluated without any mask."""
    ratios = [trained for trained in matrix.trained if len(trained) == 1 and trained != _UNMASKED]
    base = matrix.cells.get((_UNMASKED, 0.0))
    unmasked = [(trained, own) for trained in ratios if (own := matrix.cells.get((trained, 0.0)))]
    if not base or not unmasked:
        return None
    trained, own = unmasked[-1]
    return (
        f"Evaluated unmasked, the model trained at {trained[0]:g} has {_value(own, matrix)}:"
        f" {_against(own, base, matrix)} the one trained unmasked."
    )


def _drawn(matrix: Matrix) -> list[str]:
    """Models that met a drawn ratio in each step, against those trained at each ratio alone."""
    several = [trained for trained in matrix.trained if len(trained) > 1]
    sentences = []
    for trained in several:
        pairs = _pairs(matrix, trained, matrix.tested)
        if not pairs:
            continue
        against = [
            f"{_against(own, specialised, matrix)}"
            f" {'the unmasked model without a mask' if ratio == 0 else f'the one trained at {ratio:g}'}"
            for ratio, own, specialised in pairs
        ]
        who = f"One model with its ratio {trained_name(trained, len(several) > 1)}"
        sentences.append(f"{who}, evaluated at each ratio, is {listed(against)}. {_spread_verdict(pairs)}")
    return sentences


def _spread_verdict(pairs: Sequence[tuple[float, Spread, Spread]]) -> str:
    outside = {ratio: outside_spread(one, other) for ratio, one, other in pairs}
    if None in outside.values():
        return "One seed gives no spread to judge these differences by."
    apart = [ratio for ratio, is_outside in outside.items() if is_outside]
    if not apart:
        return "That is within the seeds' spread everywhere: mean ± std of the two overlap at every ratio."
    if len(apart) == len(pairs):
        return "That is outside the seeds' spread: mean ± std of the two overlap at no ratio."
    return (
        f"That is within the seeds' spread (mean ± std of the two overlap) except at"
        f" {listed(['ratio 0' if ratio == 0 else f'{ratio:g}' for ratio in apart])}."
    )


def _pairs(matrix: Matrix, trained: Trained, tested: Sequence[float]) -> list[tuple[float, Spread, Spread]]:
    """(ratio, this model there, the model trained at that ratio there), for the ratios that have both."""
    pairs = ((ratio, matrix.cells.get((trained, ratio)), matrix.cells.get(((ratio,), ratio))) for ratio in tested)
    return [(ratio, own, specialised) for ratio, own, specialised in pairs if own and specialised]


def _against(own: Spread, other: Spread, matrix: Matrix) -> str:
    """ "0.026 below", "1.20 points above", "level with": by the numbers as they are shown."""
    digits = matrix.metric.digits
    difference = round(own.mean - other.mean, digits)
    if difference == 0:
        return "level with"
    unit = " points" if matrix.metric.is_percent else ""
    return f"{abs(difference):.{digits}f}{unit} {'above' if difference > 0 else 'below'}"


def _value(accuracy: Spread, matrix: Matrix) -> str:
    return f"{matrix.metric.name} {matrix.metric.text(accuracy.mean)}"
