"""Which token goes where, and what tokens that go to the same place become together.

`source` (B, n) names for each of n tokens the one of the output tokens that holds it. An exported graph gets products
with a one-hot matrix where eager code on a CPU scatters: scatter converts to other runtimes and then computes wrong
results in some, and adds in no fixed order. So does what runs on CUDA, where scattered sums are atomic: their last bit,
and with it an AP, would not repeat.
"""

from __future__ import annotations

import torch


def exporting() -> bool:
    """Whether the code runs to be written down for another runtime, not to compute."""
    # torch 2.6 has no is_exporting.
    in_export = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return in_export() or torch.onnx.is_in_onnx_export()


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
        return (source_map(order, total) * (number + 1)).sum(dim=2) - 1
    return order.new_full((order.shape[0], total), -1).scatter(1, order, number.expand_as(order))


def one_below_the_other(index: torch.Tensor, rows: int) -> torch.Tensor:
    """Indices (B, k) into the rows of each of B tables as (B k,) ones into all B rows, so that whole rows are copied:
    ten times as fast on a CPU as a gather or a scatter by an index for each number."""
    start = torch.arange(index.shape[0], device=index.device)[:, None] * rows
    return (index + start).flatten()


def group_sum(values: torch.Tensor, source: torch.Tensor, groups: int) -> torch.Tensor:
    """Sums (B, groups, d) of values (B, n, d) over the groups that source (B, n) names."""
    if by_products(values):
        return source_map(source, groups).to(values.dtype) @ values
    batch, width = source.shape[0], values.shape[2]
    sums = values.new_zeros(batch * groups, width)
    return sums.index_add(0, one_below_the_other(source, groups), values.flatten(0, 1)).view(batch, groups, width)


def group_sizes(source: torch.Tensor, sizes: torch.Tensor, groups: int) -> torch.Tensor:
    """(B, groups) sums of sizes (B, n) over the groups that source (B, n) names."""
    if by_products(sizes):
        return group_sum(sizes[:, :, None], source, groups).squeeze(2)
    return sizes.new_zeros(source.shape[0], groups).scatter_add(1, source, sizes)


def group_mean(
    values: torch.Tensor, source: torch.Tensor, sizes: torch.Tensor, summed_sizes: torch.Tensor
) -> torch.Tensor:
    """Means (B, groups, d) of values (1 or B, n, d), weighted by sizes (B, n); source (B, n) says which group.

    summed_sizes: (B, groups), from `group_sizes`.
    """
    return group_sum(values * sizes[:, :, None], source, summed_sizes.shape[1]) / summed_sizes[:, :, None]


def group_max(values: torch.Tensor, source: torch.Tensor, groups: int) -> torch.Tensor:
    """(B, groups) the largest of values (B, n), none negative, in each group."""
    if exporting():
        return (source_map(source, groups) * values[:, None]).amax(dim=2)
    return values.new_zeros(source.shape[0], groups).scatter_reduce(1, source, values, "amax")
