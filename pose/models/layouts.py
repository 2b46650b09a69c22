"""What posebench has to know of a library's vision transformers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ..errors import InputError
from ..plugins import announced, load_object
from .patched_block import PatchedBlock


@dataclass(frozen=True)
class Sites:
    """Where a reduction goes in a transformer.

    blocks: in order. prefix: tokens in front of the visual ones (class, distillation, registers). grid: rows and
    columns of the visual tokens, None where the model does not say. cell: height and width of a token, in px.
    embedding: the module that makes the visual tokens (B, N, dim) without their positions; None for none.
    """

    blocks: tuple[PatchedBlock, ...]
    prefix: int
    grid: tuple[int, int] | None
    cell: tuple[int, int] = (1, 1)
    embedding: nn.Module | None = None


@dataclass(frozen=True)
class Layout:
    """A library's way to build a vision transformer.

    looks_for: the names that tell it, for people. find: (module) -> its Sites, None where the module itself (its
    children apart) is no such transformer.
    """

    name: str
    looks_for: str
    find: Callable[[nn.Module], Sites | None]


_HERE = "posebench.pose.models"
#: layout -> where its descriptor is; a package announces its own under "posebench.layouts"
LAYOUTS = {"timm": f"{_HERE}.layout_timm:LAYOUT", "huggingface": f"{_HERE}.layout_huggingface:LAYOUT"}


def find_transformer(model: nn.Module) -> tuple[nn.Module, Sites]:
    """The vision transformer in a model, and where a reduction goes in it.

    Raises InputError where there is none of a known layout, naming what was looked for, or more than one.
    """
    layouts = [load_object(reference) for reference in {**announced("layouts"), **LAYOUTS}.values()]
    matches: dict[str, tuple[nn.Module, Sites]] = {}
    for name, module in model.named_modules():
        sites = next((sites for layout in layouts if (sites := layout.find(module)) is not None), None)
        if sites is not None:
            matches[name] = module, sites
    if not matches:
        known = "; ".join(f"{layout.name}'s ({layout.looks_for})" for layout in layouts)
        raise InputError(f"{type(model).__name__}: no vision transformer of a known layout: looked for {known}")
    if len(matches) > 1:
        raise InputError(f"{type(model).__name__}: holds several transformers ({', '.join(matches)}); give one of them")
    return next(iter(matches.values()))
