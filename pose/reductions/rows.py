"""Rows of tokens copied by an index, whole: in eager code, and in what is written down for another runtime."""

from __future__ import annotations

import torch


def exporting() -> bool:
    """Whether the code runs to be written down for another runtime, not to compute."""
    # torch 2.6 has no is_exporting.
    in_export = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return in_export() or torch.onnx.is_in_onnx_export()


def one_below_the_other(index: torch.Tensor, rows: int) -> torch.Tensor:
    """Indices (B, k) into the rows of each of B tables as (B k,) ones into all B rows, so that whole rows are copied:
    ten times as fast on a CPU as a gather or a scatter by an index for each number."""
    start = torch.arange(index.shape[0], device=index.device)[:, None] * rows
    return (index + start).flatten()


def pick(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows `index` (B, k) of values (1 or B, n, d): (B, k, d).

    Whole rows, here and in an exported graph, which ONNX Runtime and OpenVINO copy 3 to 10 times as fast as elements.
    """
    if exporting():
        values = values.expand(index.shape[0], -1, -1)
        first = torch.arange(index.shape[0], device=index.device)[:, None] * values.shape[1]
        return values.flatten(0, 1).index_select(0, (index + first).flatten()).unflatten(0, index.shape)
    rows = index.flatten() if values.shape[0] == 1 else one_below_the_other(index, values.shape[1])
    return values.flatten(0, 1).index_select(0, rows).view(*index.shape, values.shape[2])
