"""Frozen records to plain JSON and back, in one place, and the digest that names them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .errors import InputError

_UNSAID = "unsaid"
#: what JSON has for a field of a type
_KINDS: dict[Any, Any] = {int: int, float: (int, float), str: str, bool: bool, tuple: list, dict: Mapping}


def unsaid(default: Any) -> Any:
    """A field that `to_plain` leaves out where it has its default: added to a record when its digests were names of
    results already, which go on naming them."""
    return dataclasses.field(default=default, metadata={_UNSAID: True})


def to_plain(value: Any) -> Any:
    """A record as numbers, text, lists and dicts by field name, whatever records it holds."""
    if dataclasses.is_dataclass(value):
        said = [field.name for field in dataclasses.fields(value) if _is_said(value, field)]
        return {name: to_plain(getattr(value, name)) for name in said}
    if isinstance(value, Mapping):
        return {name: to_plain(member) for name, member in value.items()}
    return [to_plain(member) for member in value] if isinstance(value, (tuple, list)) else value


def from_plain(kind: type, values: Any, where: str, *, older: bool = False) -> Any:
    """The record of a kind that `to_plain` took apart. InputError, beginning with `where`, for a field too many or too
    few, or of another type: what another version wrote is not guessed at. older: a field with a default may be missing,
    as in what was written before there was that field."""
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: holds a {type(values).__name__} where a {kind.__name__} belongs")
    hints = _hints(kind)
    optional = {f.name for f in dataclasses.fields(kind) if f.metadata.get(_UNSAID)}
    optional |= _defaulted(kind) if older else set()
    for name in sorted((hints.keys() ^ values.keys()) - (optional - values.keys())):
        what = "unknown" if name in values else "missing"
        raise InputError(f"{where}: {kind.__name__}.{name} is {what}: written by another version of posebench")
    return kind(**{name: _value(hints[name], v, where, f"{kind.__name__}.{name}") for name, v in values.items()})


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of a record's (or plain value's) canonical JSON."""
    text = json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_said(record: Any, field: dataclasses.Field[Any]) -> bool:
    return not (field.metadata.get(_UNSAID) and getattr(record, field.name) == field.default)


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


@lru_cache
def _defaulted(kind: type) -> frozenset[str]:
    missing = dataclasses.MISSING
    fields = dataclasses.fields(kind)
    return frozenset(f.name for f in fields if f.default is not missing or f.default_factory is not missing)


def _value(hint: Any, value: Any, where: str, name: str) -> Any:
    """A field's value, of the kind that its annotation says; name: of the field, for the InputError."""
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (hint,) = (member for member in members if member is not types.NoneType)
        return None if value is None else _value(hint, value, where, name)
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, where)
    kind = _KINDS.get(origin or hint)
    if kind is None:  # anything may be there
        return _tuples(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and hint is not bool):
        raise InputError(f"{where}: {name} is {repr(value)[:40]}: damaged, or written by another version of posebench")
    if origin is not tuple:
        return dict(value) if isinstance(value, Mapping) else value
    each = members[:1] * len(value) if members[-1] is Ellipsis else members
    if len(each) != len(value):
        raise InputError(f"{where}: {name} holds {len(value)} values where {len(each)} belong")
    return tuple(_value(one, member, where, name) for one, member in zip(each, value, strict=True))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
