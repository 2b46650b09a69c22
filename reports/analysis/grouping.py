"""Which rows belong together: the conditions that compared rows share, and what tells a subject's series apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ...pose.datasets import DATASETS
from ...pose.metrics import AP, METRICS, Metric
from ...pose.reductions import NONE
from .results import is_missing

#: rows are compared only where these agree; those that vary among a model's rows are named in the subject's label.
#: Times are compared only where more agrees (timed.py)
SUBJECT_KEYS: tuple[str, ...] = (
    "model", "dataset", "input_size", "data_dir", "boxes", "flip_test", "training", "epochs", "as_published", "device",
    "runtime", "dtype", "threads", "amp",
)  # fmt: skip
_WORDS = {"threads": "{} threads", "epochs": "{} epochs", "training": "training: {}", "boxes": "boxes: {}"}
_FLAG_WORDS = {"flip_test": "flip test", "as_published": "as published", "amp": "AMP"}


def is_elastic(row: Mapping[str, Any]) -> bool:
    """True if the row's model was trained at another mask ratio than the row's own, or at several."""
    return not is_missing(row.get("train_ratio"))


def is_unmasked(row: Mapping[str, Any]) -> bool:
    """True for no mask and for ratio 0."""
    return row["mask_ratio"] == 0 or (row["mask"] in (None, NONE) and not row["mask_ratio"])


def grouped(records: Sequence[dict[str, Any]]) -> dict[tuple, list[dict[str, Any]]]:
    """Records by their subject keys. One that lacks some keys joins the only group that agrees in all others."""
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in records:
        groups.setdefault(tuple(row[name] for name in SUBJECT_KEYS), []).append(row)
    for key in [key for key in groups if None in key]:
        fitting = [
            other
            for other in groups
            if other != key and all(mine is None or mine == theirs for mine, theirs in zip(key, other, strict=True))
        ]
        if len(fitting) == 1:
            groups[fitting[0]] += groups.pop(key)
    return groups


class SeriesNames:
    """The names of the series that rows belong to: the mask, and the settings that tell rows of one mask apart.

    The handling of positions is named on every masked row if it varies among any; the execution of cut connections
    only where one mask has several.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        masked = [row for row in records if is_elastic(row) or not is_unmasked(row)]
        self._positions_vary = len({row["positions"] for row in masked if not is_elastic(row)}) > 1
        self._executions: dict[Any, set[Any]] = {}
        for row in masked:
            if not is_missing(row.get("execution")):
                self._executions.setdefault(row["mask"], set()).add(row["execution"])

    def __call__(self, row: Mapping[str, Any]) -> str:
        """The mask, "mask, prefix", "mask, gather"; NONE for an unmasked row."""
        if is_unmasked(row) and not is_elastic(row):
            return NONE
        parts = [str(row["mask"] or "unnamed mask")]
        if self._positions_vary and row["positions"]:
            parts.append(str(row["positions"]))
        if len(self._executions.get(row["mask"], ())) > 1 and not is_missing(row.get("execution")):
            parts.append(str(row["execution"]))
        return ", ".join(parts)


def metric_of(dataset: str | None, rows: Sequence[Mapping[str, Any]]) -> Metric:
    """The data set's own metric (AP for one that is not known), unless another one was measured instead."""
    own = DATASETS[dataset].metric if dataset in DATASETS else AP
    measured = [metric for metric in METRICS if any(not is_missing(row[metric.column]) for row in rows)]
    return own if own in measured or not measured else measured[0]


def label_of(keys: Mapping[str, Any], same_model: Sequence[Mapping[str, Any]]) -> str:
    """The model's name and dataset, then whatever else distinguishes `keys` among all rows of the same model."""
    varying = [name for name in SUBJECT_KEYS if len({row[name] for row in same_model}) > 1]
    parts = [str(keys["model"] or "unnamed model")]
    if "dataset" in varying and keys["dataset"]:
        parts.append(str(keys["dataset"]).upper())
    for name in varying:
        value = keys[name]
        if name in ("model", "dataset") or is_missing(value):
            continue
        if name in _FLAG_WORDS:
            parts.append(_FLAG_WORDS[name] if value else f"no {_FLAG_WORDS[name]}")
        else:
            value = PurePath(value).name if name in ("data_dir", "boxes") else value
            words = "{} thread" if (name, value) == ("threads", 1) else _WORDS.get(name, "{}")
            parts.append(words.format(value))
    return ", ".join(parts)
