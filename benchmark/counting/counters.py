"""Other counters beside the exact one: what each prints for the same run, and which operators it missed or misread.

Those that are there are used as they are, without rules of ours, on the device where their users run them; those of
packages that posebench does not need are counted by rule.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...pose.errors import InputError
from .conventions import CONVENTIONS, count_conventions
from .flops import example_inputs
from .macs import MacCount, Watch, evaluation_mode
from .meta import copy_without_values, shapes_of
from .products import RULES
from .published import GIGA, published_layer_macs

#: products that torch's tracer shows whole, and that fvcore is asked about by these names
_WHOLE = ("scaled_dot_product_attention", "cdist", "bilinear", "gru", "lstm", "rnn_tanh", "rnn_relu", "conv_tbc")
#: what fvcore calls the products that it counts
_FVCORE = ("conv", "linear", "addmm", "matmul", "mm", "bmm", "einsum")


def compare_counters(
    models: Sequence[tuple[str, nn.Module]], counters: Sequence[str] = ("all",), inputs: tuple[Any, ...] | None = None
) -> list[dict[str, Any]]:
    """One row per model and counter: what it printed, in which unit, the multiply-adds that it stands for, how far
    that is from the exact count (in percent), and what it missed or misread.

    models: (label, module), each run on `inputs` (not needed for posebench's models). counters: names of COUNTERS, or
    "all". InputError for another name.
    """
    names = list(COUNTERS) if "all" in counters else list(counters)
    unknown = [name for name in names if name not in COUNTERS]
    if unknown or not names:
        raise InputError(f"counter {', '.join(unknown) or '(none)'}: give all, or some of {', '.join(COUNTERS)}")
    return [row for label, model in models for row in _rows(label, model, names, inputs)]


def _rows(label: str, model: nn.Module, names: Sequence[str], inputs: tuple[Any, ...] | None) -> list[dict[str, Any]]:
    inputs = example_inputs(model) if inputs is None else inputs
    with evaluation_mode(model), _without_gradients(model):
        exact = Watch(model, layer_count=published_layer_macs, shapes_only=False).run(inputs)
        rows = []
        for name in names:
            printed, unit, macs, remark = COUNTERS[name](model, inputs, exact)
            less = 100 * (macs / exact.total() - 1) if exact.total() else None
            rows.append(
                {"model": label, "counter": name, "prints": printed, "unit": unit, "macs": macs,
                 "from_exact_percent": "" if less is None else f"{less:+.2f}", "missed_or_misread": remark}
            )  # fmt: skip
    return rows


@contextlib.contextmanager
def _without_gradients(model: nn.Module) -> Iterator[None]:
    """FlopCounterMode fails under no_grad where a module is called on a parameter that asks for gradients."""
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)


Found = tuple[str, str, int, str]


def _exact(model: nn.Module, inputs: tuple[Any, ...], exact: MacCount) -> Found:
    return f"{exact.total() / 1e9:.4f}", "1e9 multiply-adds", exact.total(), ""


def _torch(model: nn.Module, inputs: tuple[Any, ...], exact: MacCount) -> Found:
    """FlopCounterMode where the model lies; it counts two operations per multiply-add."""
    with FlopCounterMode(display=False) as counter:
        model(*inputs)
    return _of_torch(counter, exact)


def _torch_meta(model: nn.Module, inputs: tuple[Any, ...], exact: MacCount) -> Found:
    """FlopCounterMode on the meta device, where attention is made of products that it knows."""
    twin = copy_without_values(model)
    exact = Watch(twin).run(shapes_of(inputs))
    with FlopCounterMode(display=False) as counter:
        twin.to("meta")(*shapes_of(inputs))
    return _of_torch(counter, exact)


def _of_torch(counter: FlopCounterMode, exact: MacCount) -> Found:
    theirs = {str(operator).replace(".", "::", 1): flops // 2 for operator, flops in _global(counter).items()}
    total = counter.get_total_flops()
    return f"{total / 1e9:.4f}", "1e9 operations, two per multiply-add", total // 2, _difference(exact, theirs)


def _global(counter: FlopCounterMode) -> Mapping[Any, int]:
    return counter.get_flop_counts().get("Global", {})


def _difference(exact: MacCount, theirs: Mapping[str, int]) -> str:
    remarks = []
    for name, macs in exact.by_operator().items():
        if macs and not theirs.get(name):
            remarks.append(f"missed {name} ({macs / 1e9:.4f})")
        elif theirs.get(name, 0) != macs:
            remarks.append(f"misread {name} ({theirs.get(name, 0) / 1e9:.4f} for {macs / 1e9:.4f})")
    besides = theirs.keys() - exact.by_operator().keys()
    return "; ".join([*remarks, *(f"counted besides {name} ({theirs[name] / 1e9:.4f})" for name in sorted(besides))])


def _fvcore(model: nn.Module, inputs: tuple[Any, ...], exact: MacCount) -> Found:
    """fvcore's FlopCountAnalysis. It counts some norms and interpolation, too, and skips what it does not know."""
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(model, inputs).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analysis.tracer_warnings("none")
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's own deprecation
        by_operator = {name: int(count) for name, count in analysis.by_operator().items() if count}
        skipped = analysis.unsupported_ops()
    products = {*RULES, *(f"aten::{name}" for name in _WHOLE)}
    missed = [f"missed {name} ({n} calls)" for name, n in skipped.items() if name in products or _foreign(name)]
    besides = [f"counted besides {n} ({c / 1e9:.4f})" for n, c in by_operator.items() if n not in _FVCORE]
    total, own = sum(by_operator.values()), sum(by_operator.get(name, 0) for name in _FVCORE)
    if not missed and own != exact.total():
        missed = [f"misread products ({own / 1e9:.6f} for {exact.total() / 1e9:.6f})"]
    return f"{total / 1e9:.4f}", "1e9 multiply-adds", total, "; ".join(missed + besides)


def _foreign(name: str) -> bool:
    return not name.startswith(("aten::", "prim::"))


def _published(model: nn.Module, inputs: tuple[Any, ...], exact: MacCount) -> Found:
    """The papers' counter (published.py)."""
    total = exact.layers_by_module().get("", 0)
    in_layers: dict[str, int] = {}
    layers = {name: module for name, module in model.named_modules()}
    for entry in exact.entries:
        kind = layers.get(entry.scope)
        where = "linear" if isinstance(kind, nn.Linear) else "conv" if isinstance(kind, nn.modules.conv._ConvNd) else ""
        key = where or f"{entry.operator} outside of such modules"
        in_layers[key] = in_layers.get(key, 0) + entry.macs
    missed = [f"missed {key} ({macs / 1e9:.4f})" for key, macs in in_layers.items() if macs and "outside" in key]
    read = sum(entry.layer_count for entry in exact.entries if isinstance(layers.get(entry.scope), nn.Linear))
    linear = in_layers.get("linear", 0)
    if read != linear:
        missed.append(f"misread linear layers, tokens for channels ({read / 1e9:.4f} for {linear / 1e9:.4f})")
    return f"{total / GIGA:.4f}", "1024^3 multiply-adds", total, "; ".join(missed)


def _by_rule(name: str) -> Callable[[nn.Module, tuple[Any, ...], MacCount], Found]:
    """A package's convention, without the package, of the network as its authors' code has it (conventions.py)."""

    def count(model: nn.Module, inputs: tuple[Any, ...], exact: MacCount) -> Found:
        macs = count_conventions(model, inputs, (name,))[name]
        return f"{macs / 1e9:.4f}", "1e9 multiply-adds", macs, f"by rule: {CONVENTIONS[name].says}"

    return count


_BY_RULE = {"mmengine": "fvcore"} | {
    name: name for name in ("mmcv", "thop", "ptflops", "ptflops-aten", "torchinfo", "torchprofile")
}
COUNTERS: dict[str, Callable[[nn.Module, tuple[Any, ...], MacCount], Found]] = {
    "posebench": _exact,
    "torch": _torch,
    "torch-meta": _torch_meta,
    "fvcore": _fvcore,
    "published": _published,
    **{name: _by_rule(convention) for name, convention in _BY_RULE.items()},
}
