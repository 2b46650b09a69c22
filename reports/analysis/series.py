"""What a series' name tells: the mask as it was asked for, "name(param=value)", then what else sets rows apart."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...pose.errors import InputError
from ...pose.plugins import is_reference
from ...pose.reductions import CUT, MERGE, Reduction, find_reduction, reduction_names
from .subject import Point

_KIND_WORDS = {CUT: "cutting connections", MERGE: "token merging"}


def mask_name(series: str) -> str:
    """The mask's own name: "name" of "name(layers=3|6), prefix"."""
    return re.split(r"[(,]", series, maxsplit=1)[0].strip()


def reduction_of(series: str) -> Reduction | None:
    """The descriptor of a series' mask; None of a mask that is not known here.

    "package.module:name" is not known on purpose: a file of results does not decide what code is run.
    """
    name = mask_name(series)
    if is_reference(name) or name not in reduction_names():
        return None
    try:
        return find_reduction(name)
    except InputError:  # a plug-in that is announced and broken: its results can be shown all the same
        return None


def kind_words(series: str) -> str | None:
    """"token merging" and the like, for what does more than drop tokens of the input; None for a plain mask."""
    reduction = reduction_of(series)
    if reduction is None:
        return None
    inside = reduction.layers is not None or "layers=" in series
    return _KIND_WORDS.get(reduction.kind, "token pruning" if inside else None)


def controls_among(series: Iterable[str]) -> tuple[str, ...]:
    """The series that look at no content, which those that do must beat."""
    return tuple(name for name in series if (reduction := reduction_of(name)) and reduction.control)


def is_adaptive(series: str) -> bool:
    """Whether the images of a series' mask keep different numbers of tokens, as far as it is known here."""
    reduction = reduction_of(series)
    return reduction is not None and reduction.adaptive


def without_execution(point: Point) -> str:
    """A point's series without the way in which it is executed, as a parameter or behind a comma."""
    name, _, rest = point.mask.removesuffix(f", {point.execution}").partition("(")
    inside, _, behind = rest.partition(")")
    params = [param for param in map(str.strip, inside.split(",")) if param and param != f"execution={point.execution}"]
    return f"{name}({', '.join(params)}){behind}" if params else name + behind
