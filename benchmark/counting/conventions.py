"""Other counters' conventions by rule: what each says of a network, without its package.

A rule is a table by kind of module or by operator, written from what the package is seen to do; `says` tells where it
differs from the exact multiply-adds. What a counter sees depends on how a network is written, so a network of a paper
is counted as its authors' code has it (`Source`), and any other as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, prod
from typing import Any

import torch
from torch import nn

from ...pose.errors import InputError
from ...pose.models.blocks import Attention
from ...pose.models.model import PoseModel
from ...pose.models.vitpose import ViTPose
from .macs import Watch, run_watched
from .products import RULES, Rule
from .published import GIGA, published_layer_macs


@dataclass(frozen=True)
class Source:
    """How the code that a counter runs on writes what posebench's networks write otherwise.

    attention: its products are "fused" (one operator), "matmul" (queries are scaled, products made with @) or "einsum"
    (logits are scaled). wrapped: transposed convolutions are a class of the authors' framework. calls: whether ReLU and
    upsampling are "modules" or "functions"; "" for as they are here. traced: multiplications of sizes that a traced
    graph of it holds.
    """

    attention: str = "fused"
    wrapped: bool = False
    calls: str = ""
    traced: int = 0


AS_WRITTEN = Source()


def source_of(model: nn.Module) -> Source:
    """How the authors' code writes one of posebench's networks; of any other network, as it is.

    ViTPose's is built with mmcv's wrappers; TokenPose's and its descendants' with einops, which leaves four products of
    sizes per block, and four more, in a trace.
    """
    if isinstance(model, ViTPose):
        return Source("matmul", wrapped=True, calls="modules" if model.spec.decoder == "classic" else "functions")
    if isinstance(model, PoseModel) and hasattr(model.transformer, "stacks"):
        return Source("einsum", calls="modules", traced=4 * (model.transformer.shape.blocks + 1))
    return AS_WRITTEN


@dataclass(frozen=True)
class Products:
    """The two products of one attention: multiply-adds of each, elements of the queries and of the logits."""

    macs: int
    queries: int
    logits: int


#: (module, its first input, its output, how the code is written) -> what a counter adds for one call
LayerRule = Callable[[nn.Module, torch.Tensor, torch.Tensor, Source], int]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def _times(factor: int) -> LayerRule:
    """So much per element of the output."""
    return lambda module, x, y, source: factor * y.numel()


def _convolution(module: Any, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return module.weight.numel() * _positions(y)


def _transposed(module: Any, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return module.weight.numel() * _positions(x)


def _linear(module: Any, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return y.numel() * module.in_features


def _with_bias(rule: LayerRule) -> LayerRule:
    """One more per element of the output where the module has a bias."""
    return lambda m, x, y, source: rule(m, x, y, source) + (0 if m.bias is None else y.numel())


def _unless_wrapped(rule: LayerRule) -> LayerRule:
    return lambda m, x, y, source: 0 if source.wrapped else rule(m, x, y, source)


def _as_module(rule: LayerRule) -> LayerRule:
    """Nothing where the authors call a function."""
    return lambda m, x, y, source: 0 if source.calls == "functions" else rule(m, x, y, source)


def _positions(tensor: torch.Tensor) -> int:
    """Places of an image-like tensor (B, C, ...), those of all samples."""
    return tensor.shape[0] * prod(tensor.shape[2:])


def _upsampled_by_thop(module: Any, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}.get(module.mode, 0) * y.numel()


def _parameters_once(module: nn.Module, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    """torchinfo: parameters times the places of a convolution's output, and once for any other module."""
    if any(True for _ in module.children()):
        return 0
    count = sum(parameter.numel() for parameter in module.parameters(recurse=False))
    return count * (_positions(y) if isinstance(module, nn.modules.conv._ConvNd) else y.shape[0])


def _published(module: nn.Module, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
    return published_layer_macs(module, (x,), y)


def _table(*rows: tuple[LayerRule, tuple[type, ...]]) -> LayerRule:
    """The rule of a module's exact type."""
    rules = {kind: rule for rule, kinds in rows for kind in kinds}

    def by_type(module: nn.Module, x: torch.Tensor, y: torch.Tensor, source: Source) -> int:
        rule = rules.get(type(module))
        return rule(module, x, y, source) if rule else 0

    return by_type


def _elements(factor: int) -> Rule:
    """So much per element of an operator's first result."""
    return lambda inputs, output: factor * (output[0] if isinstance(output, (tuple, list)) else output).numel()


def _convolution_at_output(inputs: Sequence[Any], output: Any) -> int:
    return inputs[1].numel() * _positions(output)


def _biased_product(inputs: Sequence[Any], output: Any) -> int:
    return RULES["aten::addmm"](inputs, output) + output.numel()


def _biased_convolution(inputs: Sequence[Any], output: Any) -> int:
    return RULES["aten::convolution"](inputs, output) + (0 if inputs[2] is None else output.numel())


def _norm_operators(layer: int, batch: int) -> dict[str, Rule]:
    names = ("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
    return {"aten::native_layer_norm": _elements(layer), **{f"aten::{name}": _elements(batch) for name in names}}


_FUSED = (
    "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
)  # fmt: skip
_FUSED_UNSEEN: dict[str, Rule] = {f"aten::{name}": lambda inputs, output: 0 for name in _FUSED}
_BILINEAR = "aten::upsample_bilinear2d"


def _all_products(found: Products, source: Source) -> int:
    return 2 * found.macs


def _products_of_fvcore(found: Products, source: Source) -> int:
    """An einsum is read from numpy's text, which prints four digits of twice its multiply-adds."""
    if source.attention == "einsum":
        return 2 * floor(float(f"{2 * found.macs:.3e}") / 2)
    return 0 if source.attention == "fused" else 2 * found.macs


def _seen_unless_fused(found: Products, source: Source) -> int:
    return 0 if source.attention == "fused" else 2 * found.macs


def _products_of_torchprofile(found: Products, source: Source) -> int:
    """Products, and what multiplies the scale."""
    return 2 * found.macs + {"matmul": found.queries, "einsum": found.logits}.get(source.attention, 0)


def _no_products(found: Products, source: Source) -> int:
    return 0


@dataclass(frozen=True)
class Convention:
    """A counter by rule. layers: by module; operators: by operator where it sees these, in place of the exact rules;
    attention: for the products of an attention of ours. relu: per element, of a module and of a function. traces: it
    sees a traced graph. unit: what its printed G stands for."""

    name: str
    says: str
    layers: LayerRule = field(default=lambda module, x, y, source: 0)
    operators: Mapping[str, Rule] = field(default_factory=dict)
    attention: Callable[[Products, Source], int] = _no_products
    relu: tuple[int, int] = (0, 0)
    traces: bool = False
    unit: float = 1e9


CONVENTIONS: dict[str, Convention] = {
    convention.name: convention
    for convention in (
        Convention("exact", "all products, and nothing else", operators=RULES, attention=_all_products),
        Convention(
            "published",
            "HRNet's summary: tokens for channels in linear layers, no attention products, G is 1024^3",
            _published,
            unit=GIGA,
        ),
        Convention(
            "torch",
            "FlopCounterMode: exact (it prints two operations per multiply-add); a fused attention on the meta device",
            operators=RULES,
            attention=_all_products,
        ),
        Convention(
            "fvcore",
            "no fused attention; besides, norms (5 and 2 per element) and bilinear upsampling (4); mmengine's is a copy",
            operators={**RULES, **_FUSED_UNSEEN, **_norm_operators(5, 2), _BILINEAR: _elements(4)},
            attention=_products_of_fvcore,
        ),
        Convention(
            "mmcv",
            "no attention products; besides, norms (2 per element), biases of convolutions, ReLU and upsampling (1)",
            _table(
                (_with_bias(_convolution), _CONVOLUTIONS),
                (_with_bias(_transposed), _TRANSPOSED),
                (_linear, (nn.Linear,)),
                (_times(2), (*_BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)),
                (_times(1), (nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU)),
                (_as_module(_times(1)), (nn.Upsample,)),
            ),
            relu=(1, 0),
        ),
        Convention(
            "thop",
            "no attention products, transposed convolutions times the square of their stride, or not at all in mmcv's "
            "wrapper; besides, norms (4 per element) and upsampling",
            _table(
                (_convolution, _CONVOLUTIONS),
                (_unless_wrapped(_convolution), _TRANSPOSED),
                (_linear, (nn.Linear,)),
                (_times(4), (*_BATCH_NORMS, nn.LayerNorm)),
                (_as_module(_upsampled_by_thop), (nn.Upsample,)),
            ),
        ),
        Convention(
            "ptflops",
            "no attention products, no transposed convolution in mmcv's wrapper; besides, biases, norms (2 per element, "
            "LayerNorm 1), GELU and ReLU (2: the module, and the function that it calls), upsampling",
            _table(
                (_with_bias(_convolution), _CONVOLUTIONS),
                (_unless_wrapped(_with_bias(_transposed)), _TRANSPOSED),
                (_with_bias(_linear), (nn.Linear,)),
                (_times(2), _BATCH_NORMS),
                (_times(1), (nn.LayerNorm,)),
                (_times(2), (nn.GELU,)),
                (_times(1), (nn.Upsample,)),
            ),
            relu=(2, 1),
        ),
        Convention(
            "ptflops-aten",
            "no fused attention; besides, biases",
            operators={
                **RULES,
                **_FUSED_UNSEEN,
                "aten::addmm": _biased_product,
                "aten::convolution": _biased_convolution,
            },
            attention=_seen_unless_fused,
        ),
        Convention(
            "torchinfo",
            "a linear layer once, whatever the number of tokens (so it is blind to pruning); no attention products; "
            "transposed convolutions times the square of their stride",
            _parameters_once,
        ),
        Convention(
            "torchprofile",
            "transposed convolutions times the square of their stride; besides, norms and scaling (1 per element), "
            "bilinear upsampling (4)",
            operators={
                **RULES,
                **_norm_operators(1, 1),
                "aten::convolution": _convolution_at_output,
                "aten::mul": _elements(1),
                _BILINEAR: _elements(4),
            },
            attention=_products_of_torchprofile,
            traces=True,
        ),
    )
}


def count_conventions(
    model: nn.Module, inputs: tuple[Any, ...], names: Sequence[str] | None = None, source: Source | None = None
) -> dict[str, int]:
    """What each convention counts in one run of a module in evaluation mode, which is not changed.

    names: of CONVENTIONS, by default all. source: how the counted code is written, by default as `source_of` says.

    Raises InputError for an unknown name, and what `count_macs` raises.
    """
    unknown = [name for name in names or () if name not in CONVENTIONS]
    if unknown:
        raise InputError(f"convention {', '.join(unknown)}: give some of {', '.join(CONVENTIONS)}")
    wanted = [CONVENTIONS[name] for name in names or CONVENTIONS]
    source = source_of(model) if source is None else source
    totals: dict[str, int] = {}

    def make(module: nn.Module, shapes_only: bool) -> Watch:
        totals.clear()
        totals.update({convention.name: source.traced * convention.traces for convention in wanted})
        return _watch(module, wanted, source, totals, shapes_only)

    run_watched(model, inputs, make)
    return totals


def _watch(
    model: nn.Module, wanted: Sequence[Convention], source: Source, totals: dict[str, int], shapes_only: bool
) -> Watch:
    ours = {name for name, module in model.named_modules() if type(module) is Attention}
    relus = {name for name, module in model.named_modules() if type(module) is nn.ReLU}

    def layer(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> int:
        x, y = (value[0] if isinstance(value, tuple) else value for value in (inputs, output))
        if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
            return 0
        for convention in wanted:
            totals[convention.name] += convention.layers(module, x, y, source)
        if type(module) is Attention:
            found = Products(x.numel() * x.shape[1], x.numel(), module.heads * x.shape[0] * x.shape[1] ** 2)
            for convention in wanted:
                totals[convention.name] += convention.attention(found, source)
        return 0

    def rule_of(operator: str) -> Rule:
        rules = {c.name: c.operators[operator] for c in wanted if operator in c.operators}

        def rule(inputs: Sequence[Any], output: Any) -> int:
            if watch.scope not in ours:
                for name, its in rules.items():
                    totals[name] += its(inputs, output)
            return 0

        return rule

    def relu(inputs: Sequence[Any], output: Any) -> int:
        called = source.calls or ("modules" if watch.scope in relus else "functions")
        for convention in wanted:
            totals[convention.name] += convention.relu[called == "functions"] * output.numel()
        return 0

    operators = {operator for convention in wanted for operator in convention.operators} | RULES.keys()
    rules = {**{name: rule_of(name) for name in operators}, "aten::relu": relu}
    watch = Watch(model, rules, layer, shapes_only=shapes_only)
    return watch
