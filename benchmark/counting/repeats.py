"""Counting once what repeats: a backbone in every row of a grid, blocks of equal sizes in a network.

For models without values alone (meta.py): there the sizes of a block and of what it is given decide all that it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn

from ...pose.models.blocks import Block
from ...pose.models.model import PoseModel
from ...pose.models.reducer import TokenReducer
from ...pose.reductions.context import Context
from .macs import Entry, Watch

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_MOST = 4096

_counted: dict[Any, tuple[Any, str, list[Entry]]] = {}


class _NoKey(Exception):
    """Something that is not told apart by shapes and plain values."""


def count_repeats_once(model: PoseModel, watch: Watch) -> None:
    """Change a model without values: its backbone and its blocks run once for equal sizes, and count each time."""
    names = {module: name for name, module in model.named_modules()}
    _once(model.backbone, "forward", watch, names)
    for module in names:
        if isinstance(module, Block):
            _once(module, "attend", watch, names)
            _once(module.attention, "forward", watch, names)
            _once(module.mlp, "forward", watch, names)
        elif isinstance(module, TokenReducer):
            _once(module, "forward", watch, names)


def _once(module: nn.Module, method: str, watch: Watch, names: dict[nn.Module, str]) -> None:
    run: Callable[..., Any] = getattr(module, method)
    name, kind = names[module], (method, *(_settings(part) for part in module.modules()))

    def once(*args: Any, **kwargs: Any) -> Any:
        try:
            amount = _amount(module, args[-1]) if isinstance(module, TokenReducer) else None
            key = (kind, amount, _key(args), _key(tuple(kwargs.items())))
        except _NoKey:
            return run(*args, **kwargs)
        if key not in _counted:
            before = len(watch.entries)
            output = run(*args, **kwargs)
            if len(_counted) >= _MOST:
                _counted.clear()
            _counted[key] = output, name, watch.entries[before:]
            return output
        output, first, entries = _counted[key]
        watch.entries += entries if name == first else [_elsewhere(entry, first, name) for entry in entries]
        return output

    setattr(module, method, once)


def _elsewhere(entry: Entry, first: str, name: str) -> Entry:
    """The same entry of another module of the same kind."""
    inside = entry.scope == first or entry.scope.startswith(f"{first}.")
    return entry._replace(scope=name + entry.scope[len(first) :]) if inside else entry


def _settings(module: nn.Module) -> tuple[Any, ...]:
    """All that a module was made with: its class, plain attributes and the shapes of its parameters."""
    own = () if isinstance(module, TokenReducer) else vars(module).items()  # its ratio is none of what it does: _amount
    given = ((k, v) for k, v in own if k not in _OF_EVERY_MODULE)
    plain = ((k, v) for k, v in given if isinstance(v, (str, int, float, tuple)))
    shapes = ((k, v.shape) for k, v in module._parameters.items() if v is not None)
    return (type(module), *plain, *shapes)


def _key(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.dtype
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(_key(item) for item in value)
    if isinstance(value, Context):
        given = (getattr(value, field.name) for field in fields(value))
        return tuple(_key(item) for item in given if not callable(item) and not isinstance(item, Mapping))
    if is_dataclass(value):
        given = ((field.name, getattr(value, field.name)) for field in fields(value))
        return (type(value), *((name, _key(item)) for name, item in given if name != "selected"))
    raise _NoKey


def _amount(reducer: TokenReducer, block: int | None) -> Any:
    """What a reduction does in a block, and how much it leaves there."""
    schedule, config = reducer.schedule, reducer.config
    left = schedule.total if block is None else schedule.left_at(block)
    return config.name, config.source, config.params, left, schedule.removes, reducer.by_lengths
