"""Data sets by name: ours, those that installed packages announce, and a user's own by "package.module:NAME"."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache

from ..errors import InputError
from ..metrics import AP, Metric
from ..plugins import announced, is_reference, load_object, source_digest
from .coco import COCO
from .crowdpose import CROWDPOSE
from .described import from_description
from .descriptor import Dataset
from .mpii import MPII

DATASETS = {dataset.name: dataset for dataset in (COCO, MPII, CROWDPOSE)}
DEFAULT = COCO.name


def dataset_names() -> list[str]:
    """Every name that there is a data set for, a user's own by "package.module:NAME" apart."""
    return [*DATASETS, *(name for name in announced("datasets") if name not in DATASETS)]


def find_dataset(dataset: str | Dataset) -> Dataset:
    """The descriptor of a data set by name, or from its `description`; InputError where there is none."""
    if isinstance(dataset, Dataset):
        return dataset
    name = str(dataset)  # out of a file it may be anything
    return from_description(name) if name.startswith("{") else _by_name(name)


@lru_cache
def _by_name(name: str) -> Dataset:
    if name in DATASETS:
        return DATASETS[name]
    reference = announced("datasets").get(name, name)
    if is_reference(reference):
        thing = load_object(reference)
        if not isinstance(thing, Dataset):
            raise InputError(f"{name}: is a {type(thing).__name__}; give a posebench.pose.datasets.Dataset")
        return replace(thing, name=name)
    near = get_close_matches(name, dataset_names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"unknown dataset {name!r}: {hint}known are {', '.join(dataset_names())}, or package.module:NAME; "
        "a folder's own keypoints come with --data or with weights"
    )


def is_known(dataset: Dataset) -> bool:
    """Whether its name alone leads to it, in another process, too."""
    return not dataset.described and (dataset.name in dataset_names() or is_reference(dataset.name))


def description_of(dataset: Dataset) -> str | None:
    """What must stand beside its name, so that `find_dataset` finds it: None where the name is enough."""
    return None if is_known(dataset) else dataset.description()


def source_of(dataset: Dataset) -> str:
    """Digest of a user's own data set, its description and the files in which it is read and scored; "" for ours, which
    the version says."""
    if dataset.described or dataset.name in DATASETS:
        return ""
    said = hashlib.sha256(dataset.description().encode()).hexdigest()[:16]
    return "+".join([said, *dict.fromkeys(source_digest(dataset.work(what)) for what in ("read", "evaluate"))])


def metric_of(name: str | None) -> Metric:
    """The metric of a data set by its name: AP for none, as one that only its folder describes has none to go by."""
    known = name is not None and (name in dataset_names() or is_reference(name))
    return _by_name(name).metric if known else AP
