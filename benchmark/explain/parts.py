"""To which part of a model an operator belongs, however a runtime names it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from ...pose.models.model import PoseModel

BACKBONE, DECODER = "backbone", "decoder"
CHOOSING = "choosing"  # and gathering or merging what is chosen
#: in the order of a pass
PARTS = (BACKBONE, "patch_embedding", CHOOSING, "blocks", "joint_blocks", "head", DECODER)
#: methods of a reduction that are its work, beside its modules
_METHODS = ("before_blocks", "in_block")

Scopes = Mapping[str, str]


def scopes_of(model: PoseModel) -> Scopes:
    """The parts of a model with the names of their modules; whatever choosing tokens takes is one part."""
    return {CHOOSING if part == "mask_scoring" else part: scope for part, scope in model.parts.items()}


def part_of(names: Sequence[str], scopes: Scopes) -> str | None:
    """The part of an operator that runs in modules of these names, the outermost first; None for one in no part."""
    for name in names:
        for part, scope in scopes.items():
            if name == scope or name.startswith(f"{scope}."):
                return part
    return None


class InOrder:
    """Places operators in the order in which they run: one in no part belongs to the part that ran last (a residual
    sum to the blocks, positions to the embedding), which choosing tokens never is."""

    def __init__(self) -> None:
        self.last = BACKBONE

    def place(self, part: str | None) -> str:
        if part is not None and part != CHOOSING:
            self.last = part
        return part or self.last


@contextlib.contextmanager
def marked(
    model: nn.Module, scopes: Scopes, enter: Callable[[str], Any], leave: Callable[[Any], object]
) -> Iterator[None]:
    """While it lasts, the model's passes call token = enter(part) where a part begins, and leave(token) where it ends.

    Of parts inside each other (a reduction that asks a block) the outermost alone is told.
    """
    open_calls: list[Any] = []  # of each open call the token, None inside of a part

    def begin(part: str) -> None:
        inside = any(token is not None for token in open_calls)
        open_calls.append(None if inside else (enter(part),))

    def end() -> None:
        token = open_calls.pop()
        if token is not None:
            leave(token[0])

    modules = dict(model.named_modules())
    undo: list[Callable[[], object]] = []
    try:
        for part, scope in scopes.items():
            if scope not in modules:
                continue
            for module in modules[scope].modules():
                undo.append(module.register_forward_pre_hook(lambda *_, part=part: begin(part)).remove)
                undo.append(module.register_forward_hook(lambda *_: end(), always_call=True).remove)
            if part == CHOOSING:
                for name in _METHODS:
                    method = getattr(modules[scope], name, None)
                    if method is not None:
                        setattr(modules[scope], name, _between(method, part, begin, end))
                        undo.append(partial(delattr, modules[scope], name))
        yield
    finally:
        for action in undo:
            action()


def _between(
    method: Callable[..., Any], part: str, begin: Callable[[str], None], end: Callable[[], None]
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        begin(part)
        try:
            return method(*args, **kwargs)
        finally:
            end()

    return call
