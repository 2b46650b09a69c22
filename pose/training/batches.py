"""Training batches whose content and order depend on (seed, epoch) alone, whatever the number of loader processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from torch import Generator
from torch.utils.data import DataLoader

from ..crops.dataset import PoseDataset
from ..crops.loading import ErrorsAsItems, collate
from ..errors import InputError
from ..ranks import ALONE, Ranks, Share

Item = TypeVar("Item")


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch (0-based) visits `count` samples, a permutation."""
    # a spawn key keeps this stream apart from those of the samples, which start from [seed, epoch, index]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,))).permutation(count)


class EpochBatches:
    """The batches of any epoch. Loader processes start with the first epoch and stay for the next ones.

    Of several `ranks` each reads its share of every batch; where that is nothing, one sample, so that there is a batch.
    """

    def __init__(
        self,
        dataset: PoseDataset,
        *,
        batch_size: int,
        seed: int,
        workers: int = 0,
        pin_memory: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        self.dataset = dataset
        self._sampler = _EpochSampler(len(dataset), batch_size, seed, ranks)
        self._loader = DataLoader(
            ErrorsAsItems(dataset),
            batch_sampler=self._sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=collate,
            pin_memory=pin_memory,
            generator=Generator(),  # its own: the global one drives the random masks
        )

    def __len__(self) -> int:
        return len(self._sampler)

    @property
    def shares(self) -> list[Share]:
        """What this rank has of each batch of an epoch."""
        return self._sampler.shares

    def orders(self, epoch: int) -> Iterator[list[int]]:
        """This rank's indices of each batch of an epoch."""
        self._sampler.epoch = epoch
        return iter(self._sampler)

    def epoch(self, epoch: int) -> Iterator[dict[str, Any]]:
        """The batches of one epoch (0-based); the last may be smaller.

        An InputError of a sample (a missing or broken image) arrives as itself also from a loader process.
        """
        self.dataset.set_epoch(epoch)
        self._sampler.epoch = epoch
        for batch in ahead(self._loader) if self._loader.num_workers == 0 else self._loader:
            if isinstance(batch, InputError):
                try:
                    raise batch
                finally:  # an error that its own traceback refers to would keep the loader processes waiting
                    del batch
            yield batch


def ahead(items: Iterable[Item], count: int = 2) -> Iterator[Item]:
    """The same items, of which a thread makes the next `count` while the last one is used."""
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, "batches") as thread:
        waiting = deque(thread.submit(next, source, end) for _ in range(count))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, source, end))
            yield item


class _EpochSampler:
    """Yields a rank's indices of each batch, in the order of `epoch`."""

    def __init__(self, count: int, batch_size: int, seed: int, ranks: Ranks) -> None:
        self.epoch = 0
        self._count, self._batch_size, self._seed = count, batch_size, seed
        self.shares = [ranks.share(min(batch_size, count - start)) for start in range(0, count, batch_size)]

    def __len__(self) -> int:
        return len(self.shares)

    def __iter__(self) -> Iterator[list[int]]:
        order = epoch_order(self._count, self._seed, self.epoch).tolist()
        for number, share in enumerate(self.shares):
            batch = order[number * self._batch_size :][: share.total]
            yield batch[share.start : share.stop] or batch[:1]
