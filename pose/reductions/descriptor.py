"""What posebench knows of a token reduction without running it; imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..plugins import load_object
from .params import Param
from .schedule import IN_STEPS, Plan

DROP, MERGE, CUT = "drop", "merge", "cut"
VALUE, NOTHING, GROUP = "value", "nothing", "group"
WEIGHTS, KEYPOINT_WEIGHTS = "weights", "keypoint weights"


@dataclass(frozen=True)
class Look:
    """How a reduction is drawn in plots: line colour on light paper, the same on dark paper, marker, and how the line
    is drawn (matplotlib's styles)."""

    color: str
    dark: str
    marker: str | tuple[int, int, float]
    line: str | tuple[float, tuple[float, ...]] = "-"


@dataclass(frozen=True)
class Reduction:
    """One way to spend less on visual tokens.

    work: a pure function (tokens, context, left) -> (tokens, Selected) (see context.py), or "module:function", which is
    imported when it is first used. It gets the visual tokens (B, n, d) alone and leaves `left` of them; of a CUT
    reduction `left` is how many visual keys each visual query goes on seeing.
    summary: one line; source: paper and section.
    kind: DROP (tokens go), MERGE (tokens become one) or CUT (connections go).
    layers: (blocks) -> the blocks where it acts by default, after the attention; None for before the first block.
    plan: how much is left where, between the blocks. amounts: the parameter that gives this per layer, instead of a
    ratio.
    needs: what of the attention it looks at, beyond the keys: WEIGHTS, KEYPOINT_WEIGHTS (of the keypoint tokens'
    queries, and in a model without these of all), or nothing.
    params: the options that it takes in parentheses, `name(param=value, ...)`.
    modules: "module:function" or function from (width of a token, grid) to its own trained modules by name, made anew
    for each layer where it acts; None for none.
    gather: "module:function" or function that fills its modules (by name) from target heatmaps (B, J, h, w) of training
    people, batch by batch, with nothing trained; None where only training fills them.
    adaptive: of an image at most `left` tokens stay, and Selected.valid says which are real.
    published_as: the reduction that the reference's code runs under this name (`as_published`), where it is another.
    restore: what a dropped token's cell gets on a dense grid, as a decoder of heatmaps needs it: VALUE (what the token
    was when it was dropped), NOTHING (zeros) or GROUP (the token that holds it, and zeros where none does).
    control: it looks at no content, so that what looks must beat it.
    look: in plots; None lets the plots choose.
    """

    name: str
    work: str | Callable[..., Any]
    summary: str
    source: str = ""
    kind: str = DROP
    layers: Callable[[int], tuple[int, ...]] | None = None
    plan: Plan = IN_STEPS
    amounts: str | None = None
    needs: str = ""
    params: tuple[Param, ...] = ()
    modules: str | Callable[..., Any] | None = None
    gather: str | Callable[..., Any] | None = None
    adaptive: bool = False
    published_as: str | None = None
    restore: str = VALUE
    control: bool = False
    look: Look | None = None

    def function(self) -> Callable[..., Any]:
        """The work itself, imported if need be."""
        return load_object(self.work) if isinstance(self.work, str) else self.work

    def make_modules(self, width: int, grid: tuple[int, int]) -> dict[str, Any]:
        """Its own trained modules for tokens of this width on a grid (rows, columns), by name; empty where it has
        none."""
        if self.modules is None:
            return {}
        make = load_object(self.modules) if isinstance(self.modules, str) else self.modules
        return dict(make(width, grid))

    def param(self, name: str) -> Param | None:
        return next((param for param in self.params if param.name == name), None)
