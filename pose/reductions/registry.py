"""Reductions by name: ours, those that installed packages announce, and a user's own by "package.module:name"."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from functools import lru_cache

from ..errors import InputError
from ..plugins import announced, is_reference, load_object
from .catalogue import REDUCTIONS
from .descriptor import Reduction
from .params import parse_reduction


def reduction_names() -> list[str]:
    """Every name that `--mask` takes, a user's own by "package.module:name" apart."""
    return [*REDUCTIONS, *(name for name in announced("reductions") if name not in REDUCTIONS)]


def is_built_in(name: str) -> bool:
    return name in REDUCTIONS


@lru_cache
def find_reduction(name: str) -> Reduction:
    """The descriptor of a reduction by name; InputError with the nearest names where there is none.

    "package.module:name" may be a descriptor or, for tokens dropped before the first block, the function alone.
    """
    if name in REDUCTIONS:
        return REDUCTIONS[name]
    reference = announced("reductions").get(name, name)
    if is_reference(reference):
        return as_reduction(name, load_object(reference))
    near = get_close_matches(str(name), reduction_names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"unknown mask {name!r}: {hint}known masks are {', '.join(reduction_names())}, or package.module:name"
    )


def as_reduction(name: str, thing: object) -> Reduction:
    """A descriptor as it is, a function as a reduction that drops tokens before the first block."""
    if isinstance(thing, Reduction):
        return thing
    if callable(thing):
        try:
            inspect.signature(thing).bind(None, None, 1)
        except (TypeError, ValueError):  # ValueError: of C, whose arguments are not known
            raise InputError(f"{name}: does not take (tokens, context, left), as a reduction does") from None
        summary = (thing.__doc__ or "").strip().partition("\n")[0]
        return Reduction(name, thing, summary or name, params=())
    raise InputError(f"{name}: is a {type(thing).__name__}; give a posebench.Reduction, or a function")


def check_mask(text: str) -> str:
    """Return `text` if a reduction of that name exists (parameters in parentheses or not); InputError otherwise."""
    find_reduction(parse_reduction(str(text))[0])
    return text
