"""Linear layers in training on a processor whose products torch leaves half idle.

torch's float32 matrix products on x86 are MKL's, which uses AVX-512 on Intel's processors alone; oneDNN, which torch
has for convolutions, uses it wherever it is, at twice the speed. The sums have another order: equal up to rounding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import torch
from torch import nn


@contextlib.contextmanager
def wide_products(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside, the linear layers of `model` multiply by oneDNN where that is faster; the modules stay what they are."""
    layers = [module for module in model.modules() if type(module) is nn.Linear] if pays_on(device) else []
    for layer in layers:
        layer.forward = partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def pays_on(device: torch.device) -> bool:
    """Whether oneDNN multiplies faster here than what torch takes."""
    return device.type == "cpu" and _has_product() and not torch.are_deterministic_algorithms_enabled()


@cache
def _has_product() -> bool:
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not torch.backends.mkldnn.is_available():
        return False
    about = Path("/proc/cpuinfo")
    amd = about.is_file() and "AuthenticAMD" in about.read_text()
    return amd and torch.backends.mkl.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _forward(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or not x.numel():
        return type(layer).forward(layer, x)
    return _Linear.apply(x, layer.weight, layer.bias)


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x (..., i) by weight (o, i), and bias (o,): (..., o)."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _Linear(torch.autograd.Function):
    """x @ weight^T + bias, and its gradients."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return _product(x.contiguous(), weight, bias)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        of_x = _product(gradient.contiguous(), weight.t().contiguous()) if ctx.needs_input_grad[0] else None
        rows, of_weight = gradient.reshape(-1, gradient.shape[-1]), None
        if ctx.needs_input_grad[1]:
            of_weight = _product(rows.t().contiguous(), x.reshape(-1, x.shape[-1]).t().contiguous())
        return of_x, of_weight, rows.sum(0) if ctx.needs_input_grad[2] else None
