"""Other counters' conventions by rule: what each says of a network, without its package.

A rule is a table by kind of module or by operator, written from what the package is seen to do; `says` tells where it
differs from the exact multiply-adds. What a counter sees depends on how a network is written, so a network of a paper
is counted as its authors' code has it (`Source`), and any other as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ...pose.errors import InputError
from ...pose.models.blocks import Attention
from ...pose.models.model import PoseModel
from ...pose.models.vitpose import ViTPose
from . import convention_rules as by
from .convention_rules import AS_WRITTEN, Convention, Products, Source
from .macs import MacCount, Watch, run_watched
from .products import RULES, Rule
from .published import GIGA, published_layer_macs

CONVENTIONS: dict[str, Convention] = {
    convention.name: convention
    for convention in (
        Convention("exact", "all products, and nothing else", operators=RULES, attention=by.all_products),
        Convention(
            "published",
            "HRNet's summary: tokens for channels in linear layers, no attention products, G is 1024^3",
            by.published,
            unit=GIGA,
        ),
        Convention(
            "torch",
            "FlopCounterMode: exact (it prints two operations per multiply-add); a fused attention on the meta device",
            operators=RULES,
            attention=by.all_products,
        ),
        Convention(
            "fvcore",
            "no fused attention; besides, norms (5 and 2 per element) and upsampling (4 and 1); mmengine's is a copy",
            operators={
                **RULES,
                **by.norm_operators(5, 2),
                by.BILINEAR: by.elements(4),
                by.NEAREST: by.elements(1),
            },
            attention=by.products_of_fvcore,
            fused=False,
        ),
        Convention(
            "mmcv",
            "no attention products; besides, norms (2 per element), biases of convolutions, ReLU and upsampling (1)",
            by.table(
                (by.with_bias(by.convolution), by.CONVOLUTIONS),
                (by.with_bias(by.transposed), by.TRANSPOSED),
                (by.linear, (nn.Linear,)),
                (by.times(2), (*by.BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)),
                (by.times(1), (nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU)),
                (by.as_module(by.times(1)), (nn.Upsample,)),
            ),
            relu=(1, 0),
        ),
        Convention(
            "thop",
            "no attention products, transposed convolutions times the square of their stride, or not at all in mmcv's "
            "wrapper; besides, norms (4 per element) and upsampling",
            by.table(
                (by.convolution, by.CONVOLUTIONS),
                (by.unless_wrapped(by.convolution), by.TRANSPOSED),
                (by.linear, (nn.Linear,)),
                (by.times(4), (*by.BATCH_NORMS, nn.LayerNorm)),
                (by.as_module(by.upsampled_by_thop), (nn.Upsample,)),
            ),
        ),
        Convention(
            "ptflops",
            "no attention products, no transposed convolution in mmcv's wrapper; besides, biases, norms (2 per element "
            "or, LayerNorm, 1), GELU, ReLU and upsampling (2: the module, and the function that it calls)",
            by.table(
                (by.with_bias(by.convolution), by.CONVOLUTIONS),
                (by.unless_wrapped(by.with_bias(by.transposed)), by.TRANSPOSED),
                (by.with_bias(by.linear), (nn.Linear,)),
                (by.times(2), by.BATCH_NORMS),
                (by.times(1), (nn.LayerNorm,)),
                (by.times(2), (nn.GELU,)),
                (lambda m, x, y, source: (1 if source.calls == "functions" else 2) * y.numel(), (nn.Upsample,)),
            ),
            relu=(2, 1),
        ),
        Convention(
            "ptflops-aten",
            "no fused attention; besides, biases",
            operators={**RULES, "aten::addmm": by.biased_product, "aten::convolution": by.biased_convolution},
            attention=by.all_products,
            fused=False,
        ),
        Convention(
            "torchinfo",
            "a linear layer once, whatever the number of tokens (so it is blind to pruning); no attention products; "
            "transposed convolutions times the square of their stride",
            by.parameters_once,
        ),
        Convention(
            "torchprofile",
            "transposed convolutions times the square of their stride; besides, norms and scaling (1 per element), "
            "bilinear upsampling (4)",
            operators={
                **RULES,
                **by.norm_operators(1, 1),
                "aten::convolution": by.convolution_at_output,
                "aten::mul": by.elements(1),
                by.BILINEAR: by.elements(4),
            },
            attention=by.products_of_torchprofile,
            traces=True,
        ),
    )
}


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


def count_conventions(
    model: nn.Module, inputs: tuple[Any, ...], names: Sequence[str] | None = None, source: Source | None = None
) -> dict[str, int]:
    """What each convention counts in one run of a module (see `count_both`)."""
    return count_both(model, inputs, names, source)[0]


def count_both(
    model: nn.Module,
    inputs: tuple[Any, ...],
    names: Sequence[str] | None = None,
    source: Source | None = None,
    *,
    bare: bool = False,
) -> tuple[dict[str, int], MacCount]:
    """What each convention counts in one run of a module in evaluation mode, which is not changed; and the exact count,
    with HRNet's summary as its count by layers.

    names: of CONVENTIONS, by default all. source: how the counted code is written, by default as `source_of` says.
    bare: the module has no values, and may be run itself.

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
        return _watch(module, wanted, source, totals, fused, shapes_only)

    with _Fused() as fused:
        exact = run_watched(model, inputs, make, bare=bare)
    return totals, exact


class _Fused(TorchFunctionMode):
    """Knows whether a fused attention runs now; without values it is made of other operators."""

    inside = False

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function is not F.scaled_dot_product_attention:
            return function(*args, **(kwargs or {}))
        self.inside = True
        try:
            return function(*args, **(kwargs or {}))
        finally:
            self.inside = False


def _watch(
    model: nn.Module,
    wanted: Sequence[Convention],
    source: Source,
    totals: dict[str, int],
    fused: _Fused,
    shapes_only: bool,
) -> Watch:
    """Adds to `totals` what each convention counts while the module runs."""
    ours = {name for name, module in model.named_modules() if type(module) is Attention and source.attention}
    relus = {name for name, module in model.named_modules() if type(module) is nn.ReLU}

    def layer(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> int:
        x, y = (value[0] if isinstance(value, tuple) else value for value in (inputs, output))
        if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
            return 0
        for convention in wanted:
            totals[convention.name] += convention.layers(module, x, y, source)
        layers = published_layer_macs(module, inputs, output)
        if type(module) is Attention and source.attention:
            found = Products(x.numel() * x.shape[1], x.numel(), module.heads * x.shape[0] * x.shape[1] ** 2)
            for convention in wanted:
                totals[convention.name] += convention.attention(found, source)
        return layers

    def rule_of(operator: str) -> Rule:
        everywhere = {c.name: c.operators[operator] for c in wanted if operator in c.operators}
        exact = RULES.get(operator)
        in_fused = {c.name: everywhere[c.name] for c in wanted if c.fused and operator in c.operators.keys() & RULES}

        def rule(inputs: Sequence[Any], output: Any) -> int:
            if watch.scope not in ours:
                for name, its in (in_fused if fused.inside else everywhere).items():
                    totals[name] += its(inputs, output)
            return exact(inputs, output) if exact else 0

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
