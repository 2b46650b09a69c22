"""Multiply-adds of any nn.Module, exactly, by module and by operator.

Unit: one fused multiply-add counts once. The module runs once under a torch dispatch mode, which sees every operator
(inside ScriptModules too) with the shapes of its tensors; products.py says what each multiplies, free_operators.py what
multiplies nothing. An operator in neither is an error, because a count that leaves out real arithmetic is wrong without
showing it. Nothing is computed: a copy without values runs on the meta device. Only a module whose operators depend on
values runs itself, on its own device.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from .free_operators import is_free
from .meta import ShapeMode, copy_without_values, run_for_shape, shapes_of
from .products import RULES, Rule, UncountedOperatorError

#: a second count, by layer: (module, its positional inputs, its output) -> a number
LayerCount = Callable[[nn.Module, tuple[Any, ...], Any], int]
#: told of every operator that is executed: the operator, its name, its multiply-adds, its arguments and its result
Seen = Callable[[Any, str, int, Any, Any], None]


class Entry(NamedTuple):
    """One counted operator: macs, or one layer's call: layer_count, by the module that ran it."""

    scope: str
    operator: str
    macs: int = 0
    layer_count: int = 0


@dataclass
class MacCount:
    """What one run of a module multiplied, in the order of execution."""

    entries: list[Entry] = field(default_factory=list)

    def total(self) -> int:
        return sum(entry.macs for entry in self.entries)

    def by_operator(self) -> dict[str, int]:
        """Multiply-adds by operator, such as "aten::mm"."""
        return _sums((entry.operator, entry.macs) for entry in self.entries if entry.operator)

    def by_module(self) -> dict[str, int]:
        """Multiply-adds by the name of the module that did them, its children's included; "" is the whole.

        What a module makes another do that is not its child counts for the one that asked."""
        return _with_children(_sums((entry.scope, entry.macs) for entry in self.entries))

    def layers_by_module(self) -> dict[str, int]:
        """The second count, in the same way."""
        return _with_children(_sums((entry.scope, entry.layer_count) for entry in self.entries))


def count_macs(
    model: nn.Module,
    inputs: tuple[Any, ...],
    rules: Mapping[str, Rule] | None = None,
    layer_count: LayerCount | None = None,
) -> MacCount:
    """Count one forward pass of `model` in evaluation mode; it stays as it is.

    Raises UncountedOperatorError, and whatever the model raises on such inputs.
    """
    return run_watched(
        model, inputs, lambda module, shapes_only: Watch(module, rules, layer_count, shapes_only=shapes_only)
    )


def run_watched(
    model: nn.Module, inputs: tuple[Any, ...], make: Callable[[nn.Module, bool], Watch], *, bare: bool = False
) -> MacCount:
    """One forward pass under what `make` (module, whether it has shapes alone) gives: of a copy without values, or of
    `model` itself where that needs values. bare: it has none, and may be run itself. Raises as `count_macs` does."""
    with evaluation_mode(model), torch.random.fork_rng(devices=[]), _eager():
        try:
            return make(model if bare else copy_without_values(model), True).run(shapes_of(inputs))
        except UncountedOperatorError:
            raise
        except Exception:  # what a module does without values can fail in any way; with them, only as it always does
            return make(model, False).run(inputs)


class Watch:
    """Counts the runs of a module.

    shapes_only: the module and its inputs have no values (see meta.py), and operators are not computed.
    """

    def __init__(
        self,
        model: nn.Module,
        rules: Mapping[str, Rule] | None = None,
        layer_count: LayerCount | None = None,
        *,
        shapes_only: bool = True,
        seen: Seen | None = None,
    ):
        self.model, self.layer_count, self.seen = model, layer_count, seen
        self.entries: list[Entry] = []
        self._names = {module: name for name, module in model.named_modules()}
        self._scopes: list[str] = []
        self._mode = _Counting(self, {**RULES, **(rules or {})}, shapes_only)

    @property
    def scope(self) -> str:
        """The module that runs now."""
        return self._scopes[-1] if self._scopes else ""

    def run(self, inputs: tuple[Any, ...]) -> MacCount:
        """Run the module once, as it is."""
        self.entries, self._scopes = [], []
        hooks = (
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after, with_kwargs=True, always_call=True),
        )
        try:
            with torch.no_grad(), self._mode:
                self.model(*inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return MacCount(self.entries)

    def _before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        caller, name = self.scope, self._names.get(module)
        if name is not None and (not caller or name.startswith(f"{caller}.")):
            caller = name
        self._scopes.append(caller)

    def _after(self, module: nn.Module, inputs: tuple[Any, ...], *rest: Any) -> None:
        by_keyword, output = rest if len(rest) == 2 else ({}, rest[0])  # torch leaves keywords out behind an error
        if self.layer_count is not None and output is not None:
            count = self.layer_count(module, (*inputs, *by_keyword.values()), output)
            if count:
                self.entries.append(Entry(self.scope, "", layer_count=count))
        self._scopes.pop()


class _Counting(ShapeMode):
    """Sees each operator before it runs: counts it, takes it apart, or refuses it."""

    supports_higher_order_operators = True

    def __init__(self, watch: Watch, rules: Mapping[str, Rule], shapes_only: bool):
        super().__init__()
        self.watch, self.rules, self.shapes_only = watch, rules, shapes_only
        self._known: dict[Any, tuple[str, Rule | None, bool]] = {}

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if operator not in self._known:
            name = operator_name(operator)
            rule = self.rules.get(name) or self.rules.get(name.removesuffix("_"))
            self._known[operator] = name, rule, rule is not None or is_free(operator)
        name, rule, known = self._known[operator]
        if not known:
            return self._taken_apart(operator, name, args, kwargs)
        output = (run_for_shape if self.shapes_only else _run)(operator, args, kwargs)
        macs = 0
        if rule is not None:
            macs = self._counted(rule, operator, name, args, kwargs, output)
            self.watch.entries.append(Entry(self.watch.scope, name, macs))
        if self.watch.seen is not None:
            self.watch.seen(operator, name, macs, (args, kwargs), output)
        return output

    def _counted(self, rule: Rule, operator: Any, name: str, args: Any, kwargs: Any, output: Any) -> int:
        try:
            return int(rule(_in_order(operator, args, kwargs), output))
        except UncountedOperatorError as error:
            raise UncountedOperatorError(f"{error}{self._where()}. {_REMEDY.format(name)}") from None

    def _taken_apart(self, operator: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Run an operator that is made of others; the others come here again."""
        decompose = getattr(operator, "decompose", None)
        if decompose is not None:
            with self:
                output = decompose(*args, **kwargs)
            if output is not NotImplemented:
                return output
        raise UncountedOperatorError(
            f"no counting rule for {name}{self._where()}: the count would be wrong. {_REMEDY.format(name)}"
        )

    def _where(self) -> str:
        scope = self.watch.scope
        return f" in module {scope!r}" if scope else f" in {type(self.watch.model).__name__}"


_REMEDY = (
    'Say what it multiplies: count_flops(model, inputs, rules={{"{}": rule}}), where rule(inputs, output) returns its '
    "multiply-adds (0 if it has none) from the operator's arguments and its result"
)


def operator_name(operator: Any) -> str:
    """ "aten::mm" of any overload of torch.ops.aten.mm."""
    schema = getattr(operator, "_schema", None)
    return schema.name if schema is not None else f"{operator.namespace}::{operator.name()}"


def _run(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return operator(*args, **kwargs)


def _in_order(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """An operator's arguments in the order of its schema, defaults filled in."""
    schema = getattr(operator, "_schema", None)
    if schema is None:
        return [*args, *kwargs.values()]
    rest = schema.arguments[len(args) :]
    return [*args, *(kwargs.get(argument.name, argument.default_value) for argument in rest)]


@lru_cache(maxsize=10_000)
def _around(scope: str) -> tuple[str, ...]:
    """A module's name and those of the modules around it, "" the outermost."""
    parts = scope.split(".") if scope else []
    return ("", *(".".join(parts[: i + 1]) for i in range(len(parts))))


def _with_children(own: Mapping[str, int]) -> dict[str, int]:
    return _sums((around, number) for scope, number in own.items() for around in _around(scope))


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, number in pairs:
        sums[name] = sums.get(name, 0) + number
    return sums


def _eager() -> contextlib.AbstractContextManager[Any]:
    """Compiled modules run as written, so that their operators are seen."""
    stance = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance and "torch._dynamo" in sys.modules else contextlib.nullcontext()


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode and give each module its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
