"""Data sets as descriptors: one file for each, that says what posebench must know of it. Importing them needs no torch.

`find_dataset` finds one by name: ours, those that installed packages announce under "posebench.datasets", and a user's
own by "package.module:NAME". A COCO-style folder with keypoints of its own needs none (see described.py).
"""

from __future__ import annotations

from .augmentation import Augmentation
from .descriptor import SQUARE, TALL, Dataset, Scored
from .registry import DATASETS, dataset_names, find_dataset, metric_of

__all__ = [
    "DATASETS", "SQUARE", "TALL", "Augmentation", "Dataset", "Scored", "dataset_names", "find_dataset", "metric_of",
]  # fmt: skip
