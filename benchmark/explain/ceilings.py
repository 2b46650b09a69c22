"""What the machine can do at most on so many threads: multiply-adds and bytes per second, both measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ...pose.fusion.packing import PackedLinear, can_pack

_SIDE = 1024
_COPIED = 64 * 2**20  # bytes, more than a cache holds


@dataclass(frozen=True)
class Ceilings:
    """macs_per_s: of the fastest of some products of two 1024 x 1024 matrices, plain and (float32 on a CPU) with packed
    weights. bytes_per_s: of the fastest of some copies of 64 MiB, read and written."""

    macs_per_s: float
    bytes_per_s: float


def measure_ceilings(dtype: torch.dtype = torch.float32, seconds: float = 0.5) -> Ceilings:
    """Measured now, on torch's number of threads, for about so long each."""
    left, right = (torch.randn(_SIDE, _SIDE).to(dtype) for _ in range(2))
    products: list[Callable[[], object]] = [lambda: left @ right]
    if dtype == torch.float32 and can_pack():
        linear = PackedLinear(torch.nn.Linear(_SIDE, _SIDE, bias=False), _SIDE)
        products.append(lambda: linear(left))
    source = torch.zeros(_COPIED // 4)
    target = torch.empty_like(source)
    with torch.inference_mode():
        product = min(_fastest(call, seconds / len(products)) for call in products)
        copied = _fastest(lambda: target.copy_(source), seconds)
    return Ceilings(_SIDE**3 / product, 2 * _COPIED / copied)


def _fastest(call: Callable[[], object], seconds: float) -> float:
    best, end = float("inf"), time.perf_counter() + seconds
    for done in range(10_000):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started) if done else best
        if done >= 3 and time.perf_counter() > end:
            break
    return best
