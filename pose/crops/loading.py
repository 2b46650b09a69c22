"""Samples for a loader of which one may be an InputError: raised, it would leave a process wrapped in a traceback."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Dataset, default_collate

from ..errors import InputError


class ErrorsAsItems(Dataset):
    """A data set that hands on the InputError of a sample as the sample."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __getitem__(self, index: int) -> Any:
        try:
            return self._dataset[index]
        except InputError as error:
            return error


def collate(samples: list[Any]) -> Any:
    """One batch of samples; the first InputError among them instead, if there is one."""
    return next((sample for sample in samples if isinstance(sample, InputError)), None) or default_collate(samples)
