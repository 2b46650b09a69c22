"""How the fields of a request are read: marks for pydantic, which is imported when there is something to check.

Each says in a sentence of its own what is wrong with a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..pose.errors import InputError

MOST_ITEMS = 1000
LARGEST = 2**31 - 1
#: more is a slip: processes of a timing
MOST_PROCESSES = 100
#: and threads or processes of a machine, passes over the data, images at a time
MOST_THREADS, MOST_EPOCHS, MOST_IMAGES = 4096, 1_000_000, 2**20
LONGEST = 500  # characters of a sentence, which may quote what was given


@dataclass(frozen=True)
class Read:
    """Reads a value before its type is checked; the InputError of `reader` is the sentence."""

    reader: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return _before(self.reader, handler(source))


@dataclass(frozen=True)
class Several:
    """A list, text parted by commas, or a single value; what is given twice counts once."""

    split: Callable[[str], list[str]] = lambda text: [item.strip() for item in text.split(",")]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        def once(items: tuple) -> tuple:
            return tuple(dict.fromkeys(items))

        return _before(self._items, core_schema.no_info_after_validator_function(once, handler(source)))

    def _items(self, value: Any) -> list[Any]:
        if isinstance(value, str):
            value = self.split(value)
        items = list(value) if isinstance(value, (list, tuple, range)) else [value]
        if not items or items == [""]:
            raise InputError("is empty; give one or more values, separated by commas")
        if len(items) > MOST_ITEMS:
            raise InputError(f"has {len(items)} values; give at most {MOST_ITEMS}")
        return items


@dataclass(frozen=True)
class Whole:
    """A whole number from `lowest` to `highest`."""

    lowest: int
    highest: int = LARGEST

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        whole = core_schema.int_schema(ge=self.lowest, le=self.highest)
        end = "on" if self.highest == LARGEST else f"to {self.highest}"
        return _said(_before(_no_flag, whole), f"is not a whole number from {self.lowest} {end}")


@dataclass(frozen=True)
class Flag:
    """True or false, and nothing that is taken for it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return _said(core_schema.bool_schema(strict=True), "is neither true nor false")


def first_mistake(error: Any) -> tuple[str, str]:
    """(field, sentence) of the first mistake in a pydantic ValidationError."""
    from ..pose.people.fields import shown

    first = error.errors(include_url=False)[0]
    said = first["ctx"]["error"] if first["type"] == "value_error" else f"{shown(first['input'])} {first['msg']}"
    sentence = " ".join(str(said).split())
    return str(first["loc"][0]), sentence if len(sentence) <= LONGEST else sentence[: LONGEST - 3] + "..."


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError
    return value


def _before(reader: Callable[[Any], Any], schema: Any) -> Any:
    from pydantic_core import core_schema

    def read(value: Any) -> Any:
        try:
            return reader(value)
        except (InputError, OverflowError) as error:
            raise ValueError(str(error).removeprefix(": ")) from None

    return core_schema.no_info_before_validator_function(read, schema)


def _said(schema: Any, sentence: str) -> Any:
    from pydantic_core import core_schema

    return core_schema.custom_error_schema(schema, "wrong", custom_error_message=sentence)
