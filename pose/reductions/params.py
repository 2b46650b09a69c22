"""The options of a reduction: how they are written, `name(param=value, other=1|2|3)`, and what values they take."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import InputError

_TEXT = re.compile(r"\s*([^\s(){}\[\],=|]+)\s*(?:\((.*)\))?\s*", re.DOTALL)


@dataclass(frozen=True)
class Param:
    """One option. `read` turns what was given (text, a number, a list) into the value, or raises ValueError with what
    would be right."""

    name: str
    help: str
    read: Callable[[Any], Any]
    default: Any = None


def numbers(value: Any) -> float | tuple[float, ...]:
    """One number, or several: a tuple of them, or "0.7|0.5" as text."""
    several = _several(value)
    try:
        return tuple(map(float, several)) if several is not None else float(value)
    except (TypeError, ValueError):
        raise ValueError("give a number, or one for each layer") from None


def whole_numbers(value: Any) -> int | tuple[int, ...]:
    """One whole number, or several."""
    several = _several(value)
    found = tuple(map(_whole, several if several is not None else [value]))
    return found if several is not None else found[0]


def blocks(value: Any) -> tuple[int, ...]:
    """Numbers of blocks: always a tuple, whether one or several are given."""
    found = whole_numbers(value)
    return found if isinstance(found, tuple) else (found,)


def number(value: Any) -> float:
    """One number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("give a number") from None


def count(value: Any) -> int:
    """One whole number from 1 on."""
    try:
        found = _whole(value)
    except ValueError:
        found = 0
    if found < 1:
        raise ValueError("give a whole number from 1 on")
    return found


def one_of(*choices: str) -> Callable[[Any], str]:
    """Reads one of some words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"give one of {', '.join(choices)}")
        return str(value)

    return read


def _several(value: Any) -> list[Any] | None:
    """The parts of a list or of "a|b"; None for a single value."""
    if isinstance(value, str):
        return value.split("|") if "|" in value else None
    if hasattr(value, "__iter__"):
        parts = list(value)
        if not parts:
            raise ValueError("is empty; give a number, or one for each layer")
        return parts
    return None


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("give whole numbers from 0 on")
    try:
        found = int(str(value)) if isinstance(value, str) else value
        if int(found) != found or found < 0:
            raise ValueError
        return int(found)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("give whole numbers from 0 on") from None


LAYERS = Param("layers", "blocks in which it acts, from 0, such as 3|6|9", blocks)
KEEP_RATIO = Param("keep_ratio", "share kept at each layer, one for all or one each, instead of a mask ratio", numbers)

MERGED = Param("r", "tokens merged at each layer, one for all or one each", whole_numbers)


def split_reductions(text: str) -> list[str]:
    """The items of "semantic,prune(layers=3|6,keep_ratio=0.7)": commas in parentheses do not part them."""
    items, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            items.append(text[start:place].strip())
            start = place + 1
    return [*items, text[start:].strip()]


def parse_reduction(text: str) -> tuple[str, dict[str, str]]:
    """(name, what is given in parentheses) of "prune(layers=3|6|9, keep_ratio=0.7)". InputError for anything else."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not a mask: give a name, or name(param=value, param=value)")
    name, inside = match.groups()
    params: dict[str, str] = {}
    for item in (inside or "").split(",") if (inside or "").strip() else []:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key or not value:
            raise InputError(f"{text!r}: {item.strip()!r} is not param=value")
        if key in params:
            raise InputError(f"{text!r}: {key} is given twice")
        params[key] = value
    return name, params


def check_params(name: str, known: Iterable[Param], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters of the reduction `name`, read; None and defaults are left out. InputError naming the
    parameter and what would be right."""
    by_name = {param.name: param for param in known}
    values = {}
    for key, value in given.items():
        if value is None:
            continue
        param = by_name.get(key)
        if param is None:
            near = get_close_matches(key, by_name, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(by_name) or 'none'}"
            raise InputError(f"mask {name!r} has no parameter {key!r}: {hint}")
        try:
            read = param.read(value)
        except ValueError as error:
            raise InputError(f"mask {name!r}, {key} {value!r}: {error}") from None
        if read != param.default:
            values[key] = read
    return dict(sorted(values.items()))


def param_text(value: Any) -> str:
    """A value as `parse_reduction` reads it."""
    if isinstance(value, tuple):
        return "|".join(map(param_text, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
