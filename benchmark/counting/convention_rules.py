"""What conventions of counting are made of: rules by kind of module and by operator, and how a network is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, prod
from typing import Any

import torch
from torch import nn

from .products import RULES, Rule
from .published import published_layer_macs


@dataclass(frozen=True)
class Source:
    """How the code that a counter runs on writes what posebench's networks write otherwise.

    attention: its products are "matmul" (queries are scaled, products made with @) or "einsum" (logits are scaled).
    wrapped: transposed convolutions are a class of the authors' framework. calls: whether ReLU and upsampling are
    "modules" or "functions". traced: multiplications of sizes that a traced graph of it holds. "" is as they are here.
    """

    attention: str = ""
    wrapped: bool = False
    calls: str = ""
    traced: int = 0


AS_WRITTEN = Source()


@dataclass(frozen=True)
class Products:
    """The two products of one attention: multiply-adds of each, elements of the queries and of the logits."""

    macs: int
    queries: int
    logits: int


#: (module, its first input, its output, how the code is written) -> what a counter adds for one call
LayerRule = Callable[[nn.Module, torch.Tensor, torch.Tensor, Source], int]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def times(factor: int) -> LayerRule:
    """So much per element of the output."""
    return lambda module, x, y, source: factor * y.numel()


def convolution(module: Any, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return module.weight.numel() * _positions(y)


def transposed(module: Any, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return module.weight.numel() * _positions(x)


def linear(module: Any, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return y.numel() * module.in_features


def with_bias(rule: LayerRule) -> LayerRule:
    """One more per element of the output where the module has a bias."""
    return lambda m, x, y, source: rule(m, x, y, source) + (0 if m.bias is None else y.numel())


def unless_wrapped(rule: LayerRule) -> LayerRule:
    return lambda m, x, y, source: 0 if source.wrapped else rule(m, x, y, source)


def as_module(rule: LayerRule) -> LayerRule:
    """Nothing where the authors call a function."""
    return lambda m, x, y, source: 0 if source.calls == "functions" else rule(m, x, y, source)


def _positions(tensor: torch.Tensor) -> int:
    """Places of an image-like tensor (B, C, ...), those of all samples."""
    return tensor.shape[0] * prod(tensor.shape[2:])


def upsampled_by_thop(module: Any, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}.get(module.mode, 0) * y.numel()


def parameters_once(module: nn.Module, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    """torchinfo: parameters times the places of a convolution's output, and once for any other module."""
    if any(True for _ in module.children()):
        return 0
    count = sum(parameter.numel() for parameter in module.parameters(recurse=False))
    return count * (_positions(y) if isinstance(module, nn.modules.conv._ConvNd) else y.shape[0])


def published(module: nn.Module, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return published_layer_macs(module, (x,), y)


def table(*rows: tuple[LayerRule, tuple[type, ...]]) -> LayerRule:
    """The rule of a module's exact type."""
    rules = {kind: rule for rule, kinds in rows for kind in kinds}

    def by_type(module: nn.Module, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
        rule = rules.get(type(module))
        return rule(module, x, y, source) if rule else 0

    return by_type


def elements(factor: int) -> Rule:
    """So much per element of an operator's first result."""
    return lambda inputs, output: factor * (output[0] if isinstance(output, (tuple, list)) else output).numel()


def convolution_at_output(inputs: Sequence[Any], output: Any) -> int:
    return inputs[1].numel() * _positions(output)


def biased_product(inputs: Sequence[Any], output: Any) -> int:
    return RULES["aten::addmm"](inputs, output) + output.numel()


def biased_convolution(inputs: Sequence[Any], output: Any) -> int:
    return RULES["aten::convolution"](inputs, output) + (0 if inputs[2] is None else output.numel())


def norm_operators(layer: int, batch: int) -> dict[str, Rule]:
    names = "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm".split()
    return {"aten::native_layer_norm": elements(layer), **{f"aten::{name}": elements(batch) for name in names}}


BILINEAR, NEAREST = "aten::upsample_bilinear2d", "aten::upsample_nearest2d"


def all_products(found: Products, source: Source) -> int:
    return 2 * found.macs


def products_of_fvcore(found: Products, source: Source) -> int:
    """An einsum is read from numpy's text, which prints four digits of twice its multiply-adds."""
    one = floor(float(f"{2 * found.macs:.3e}") / 2) if source.attention == "einsum" else found.macs
    return 2 * one


def products_of_torchprofile(found: Products, source: Source) -> int:
    """Products, and what multiplies the scale."""
    return 2 * found.macs + (found.logits if source.attention == "einsum" else found.queries)


def no_products(found: Products, source: Source) -> int:
    return 0


@dataclass(frozen=True)
class Convention:
    """A counter by rule. layers: by module; operators: by operator, where it sees these; attention: for the products of
    an attention of ours as the authors wrote it. fused: whether it sees products in torch's fused
    attention. relu: per element, of a module and of a function. traces: it
    sees a traced graph. unit: what its printed G stands for."""

    name: str
    says: str
    layers: LayerRule = field(default=lambda module, x, y, source: 0)
    operators: Mapping[str, Rule] = field(default_factory=dict)
    attention: Callable[[Products, Source], int] = no_products
    fused: bool = True
    relu: tuple[int, int] = (0, 0)
    traces: bool = False
    unit: float = 1e9
