"""Random numbers that a result can be repeated with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

_COLUMN, _SEED, _SAMPLE = -0x61C8864680B583EB, 0x2545F4914F6CDD1D, 0x632BE59BD9B4E019


_part: tuple[int, int] | None = None


@contextlib.contextmanager
def part_of_batch(total: int, start: int) -> Iterator[None]:
    """Inside, a batch is the part from sample `start` on of one of `total`: its training noise is that of the whole."""
    global _part
    before, _part = _part, (total, start)
    try:
        yield
    finally:
        _part = before


def training_noise(rows: int, columns: int, device: torch.device) -> torch.Tensor:
    """(rows, columns) uniform numbers in [0, 1) from torch's generator, a row for each sample.

    A part of a batch draws for all of it, so that neither its rows nor the generator depend on how it was split.
    """
    if _part is None:
        return torch.rand(rows, columns, device=device)
    total, start = _part
    return torch.rand(total, columns, device=device)[start : start + rows]


def evaluation_noise(sample_ids: torch.Tensor, columns: int, seed: int) -> torch.Tensor:
    """(B, columns) uniform numbers in [0, 1) that depend on the seed and each sample's id alone.

    A counter-based generator (the finaliser of splitmix64 on id, column and seed), so that a result repeats whatever
    the batch size, order or device.
    """
    column = torch.arange(columns, device=sample_ids.device)
    state = _mix(sample_ids.long()[:, None] * _SAMPLE + _signed(seed * _SEED + 1))
    state = _mix(state + (column + 1) * _COLUMN)
    return (state >> 40 & 0xFFFFFF).to(torch.float32) / (1 << 24)


def _signed(number: int) -> int:
    """The number modulo 2^64 as a signed one, as int64 arithmetic has it."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = (x ^ (x >> 30 & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ (x >> 27 & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ (x >> 31 & 0x1FFFFFFFF)
