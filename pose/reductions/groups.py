"""Which token goes where, and what tokens that go to the same place become together.

`source` (B, n) names for each of n tokens the one of the output tokens that holds it. An exported graph gets products
with a one-hot matrix where eager code on a CPU scatters: scatter converts to other runtimes and then computes wrong
results in some, and adds in no fixed order. So does what runs on CUDA, where scattered sums are atomic: their last bit,
and with it an AP, would not repeat.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from .rows import exporting, one_below_the_other, pick


def by_products(tensor: torch.Tensor) -> bool:
    """Whether sums over groups are products with a one-hot matrix."""
    return exporting() or tensor.device.type == "cuda"


def source_map(source: torch.Tensor, count: int) -> torch.Tensor:
    """(B, count, n) booleans: which input tokens each of `count` output tokens holds."""
    return source[:, None] == torch.arange(count, device=source.device)[:, None]


def places(order: torch.Tensor, total: int) -> torch.Tensor:
    """(B, total) where each of the numbers below `total` stands in `order` (B, K), which names none twice; -1 for one
    that it does not name."""
    number = torch.arange(order.shape[1], device=order.device)
    if exporting():
        # In floats, exact below 2048 in the narrowest of them: OpenVINO adds up whole numbers wrongly in images behind
        # the total-th, and ONNX Runtime takes five times as long for them.
        one_hot = source_map(order, total).to(torch.float32)
        return ((one_hot * (number + 1).to(torch.float32)).sum(dim=2) - 1).to(order.dtype)
    return order.new_full((order.shape[0], total), -1).scatter(1, order, number.expand_as(order))


class Moved(NamedTuple):
    """Groups of which few tokens are no group's own: stay (B, K), the token that stands for each output token; gone
    (B, r), the others, and into (B, r), the places of the output tokens that hold these."""

    stay: torch.Tensor
    gone: torch.Tensor
    into: torch.Tensor


def group_sum(values: torch.Tensor, source: torch.Tensor, groups: int, moved: Moved | None = None) -> torch.Tensor:
    """Sums (B, groups, d) of values (1 or B, n, d) over the groups that source (B, n) names.

    moved: the same groups, where they are known so; a product is then of the tokens that are gone alone.
    """
    if by_products(values):
        if moved is None:
            return source_map(source, groups).to(values.dtype) @ values
        return pick(values, moved.stay) + source_map(moved.into, groups).to(values.dtype) @ pick(values, moved.gone)
    batch, width = source.shape[0], values.shape[2]
    sums = values.new_zeros(batch * groups, width)
    return sums.index_add(0, one_below_the_other(source, groups), values.flatten(0, 1)).view(batch, groups, width)


def group_sizes(source: torch.Tensor, sizes: torch.Tensor, groups: int, moved: Moved | None = None) -> torch.Tensor:
    """(B, groups) sums of sizes (B, n) over the groups that source (B, n) names. moved: see `group_sum`."""
    if by_products(sizes):
        if moved is None:
            return group_sum(sizes[:, :, None], source, groups).squeeze(2)
        came = source_map(moved.into, groups).to(sizes.dtype) @ sizes.gather(1, moved.gone)[:, :, None]
        return sizes.gather(1, moved.stay) + came.squeeze(2)
    return sizes.new_zeros(source.shape[0], groups).scatter_add(1, source, sizes)


def group_mean(
    values: torch.Tensor,
    source: torch.Tensor,
    sizes: torch.Tensor,
    summed_sizes: torch.Tensor,
    moved: Moved | None = None,
) -> torch.Tensor:
    """Means (B, groups, d) of values (1 or B, n, d), weighted by sizes (B, n); source (B, n) says which group.

    summed_sizes: (B, groups), from `group_sizes`. moved: see `group_sum`.
    """
    return group_sum(values * sizes[:, :, None], source, summed_sizes.shape[1], moved) / summed_sizes[:, :, None]


def group_max(values: torch.Tensor, source: torch.Tensor, groups: int, moved: Moved | None = None) -> torch.Tensor:
    """(B, groups) the largest of values (B, n), none negative, in each group. moved: see `group_sum`."""
    if exporting():
        if moved is not None:
            gone = source_map(moved.into, groups) * values.gather(1, moved.gone)[:, None]
            return torch.maximum(values.gather(1, moved.stay), gone.amax(dim=2))
        return (source_map(source, groups) * values[:, None]).amax(dim=2)
    return values.new_zeros(source.shape[0], groups).scatter_reduce(1, source, values, "amax")
