"""Ways to spend less inside the network: tokens that are dropped or merged, connections that are cut, between blocks.

A new one is a function from (tokens, state, what the block's attention saw, how many to leave) to (tokens, state), a
schedule, and one line in `REDUCTIONS`. Masks, which choose before the first block, are in pose/masks.py; one word on
the command line (`--mask`) names either.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..errors import InputError
from ..masks import MASKS
from .prune import prune
from .schedule import (
    Planner,
    RatioOf,
    evenly,
    every_block,
    in_steps,
    of_all,
    quarters,
    ratio_of_last,
    ratio_of_merges,
    ratio_of_steps,
)
from .sparse import prune_connections
from .state import Attended, TokenState
from .tome import merge

Act = Callable[[torch.Tensor, TokenState, Attended, int], tuple[torch.Tensor, TokenState]]


@dataclass(frozen=True)
class Reduction:
    """act: what happens in a block. plan: how much is left where; ratio_of: (amounts, tokens) -> the mask ratio that
    explicit amounts come to. locations: (blocks) -> where it acts by default.

    needs_weights: it looks at the attention weights, which a fused attention does not show; else at the keys only.
    """

    act: Act
    plan: Planner
    ratio_of: RatioOf
    locations: Callable[[int], tuple[int, ...]] = quarters
    needs_weights: bool = True


REDUCTIONS: dict[str, Reduction] = {
    "prune": Reduction(prune, in_steps, ratio_of_steps),
    "tome": Reduction(merge, evenly, ratio_of_merges, every_block, needs_weights=False),
    "sparse": Reduction(prune_connections, of_all, ratio_of_last),
}


def mask_names() -> list[str]:
    """Every name that `--mask` takes."""
    return [*MASKS, *REDUCTIONS]


def check_mask(name: str) -> str:
    """Return `name` if a mask or reduction of that name exists; InputError with the nearest names otherwise."""
    known = mask_names()
    if name in known:
        return name
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown mask {name!r}: {hint}known masks are {', '.join(known)}")
