"""What each operator of a pass multiplies and moves, seen in a real pass of a model of torch's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..counting.macs import Watch, evaluation_mode
from .kinds import GATHERING, kind_of
from .parts import InOrder, Scopes, marked


@dataclass(frozen=True)
class Work:
    """Of the operators of one kind in one part, in one pass: macs, multiply-adds; bytes, read and written."""

    macs: int = 0
    bytes: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.macs + other.macs, self.bytes + other.bytes)


def work_of(module: nn.Module, inputs: tuple[Any, ...], scopes: Scopes) -> dict[tuple[str, str], Work]:
    """By (part, kind): what one pass in evaluation mode multiplies, and how many bytes its operators must move.

    The bytes are those of the tensors' elements: each input read once and each output written once, whatever the caches
    hold; a view moves nothing, and what gathers reads only what it gives. UncountedOperatorError as count_flops.
    """
    done: dict[tuple[str, str], Work] = {}
    order = InOrder()
    now: list[str] = []  # the part that runs, of which there is at most one

    def see(operator: Any, name: str, macs: int, arguments: Any, output: Any) -> None:
        key = order.place(now[-1] if now else None), kind_of(name)
        done[key] = done.get(key, Work()) + Work(macs, moved_bytes(operator, key[1], arguments, output))

    watch = Watch(module, shapes_only=False, seen=see)
    with evaluation_mode(module), marked(module, scopes, now.append, lambda _: now.pop()):
        watch.run(inputs)
    return done


def moved_bytes(operator: Any, kind: str, arguments: Any, output: Any) -> int:
    """Bytes that an operator reads and writes."""
    read, written = list(_tensors(arguments)), list(_tensors(output))
    changes = operator._schema.is_mutable
    places = {tensor.untyped_storage().data_ptr() for tensor in read}
    if not changes and written and all(tensor.untyped_storage().data_ptr() in places for tensor in written):
        return 0  # a view
    if operator._schema.name in ("aten::empty", "aten::empty_like", "aten::new_empty", "aten::empty_strided"):
        return 0
    out = sum(map(_bytes, written))
    if kind == GATHERING and not changes and read:
        return 2 * out + sum(_bytes(tensor) for tensor in read if tensor.dtype == torch.int64)
    return out + sum(map(_bytes, {id(tensor): tensor for tensor in read}.values()))


def _bytes(tensor: torch.Tensor) -> int:
    """An expanded tensor has no more than lies in memory."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
