"""What users bring: objects named "package.module:name", and those that installed packages announce."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from functools import lru_cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from traceback import walk_tb
from typing import Any

from .errors import InputError
from .time_limit import TookTooLongError, time_limit

LONGEST_IMPORT = 300.0  # seconds of a user's module
#: that objects were loaded from
_MODULES: set[str] = set()
_OWN = __name__.partition(".")[0]


def is_reference(name: str) -> bool:
    """Whether a name points into a module of the user's ("package.module:name")."""
    return ":" in name


def load_object(reference: str) -> Any:
    """The object that "package.module:name" names; modules in the working folder are found, too.

    Raises InputError where there is no such module or name, or where the module itself fails, or takes longer than
    LONGEST_IMPORT.
    """
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise InputError(f"{reference!r}: give package.module:name")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with time_limit(LONGEST_IMPORT):
            module = importlib.import_module(module_name)
    except TookTooLongError as error:
        where = f", in {place}" if (place := _place_in(error, module_name)) else ""
        raise InputError(f"{reference}: importing {module_name} took longer than {LONGEST_IMPORT:g} s{where}") from None
    except (Exception, SystemExit) as error:  # whatever a user's module raises while it is imported
        raise InputError(f"{reference}: cannot import {module_name} ({type(error).__name__}: {error})") from None
    if module_name.partition(".")[0] != _OWN:
        _MODULES.add(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise InputError(f"{reference}: {module_name} has no {attribute!r}") from None


def place_of(error: BaseException) -> str | None:
    """FILE:LINE in a user's module where an error comes from, the last of its traceback; None where it passed none."""
    return _place_in(error, *_MODULES)


def _place_in(error: BaseException, *modules: str) -> str | None:
    own = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") in modules
    ]
    return own[-1] if own else None


@lru_cache
def announced(group: str) -> dict[str, str]:
    """Plug-ins that installed packages announce under "posebench.<group>": name -> "package.module:name"."""
    return {point.name: point.value for point in entry_points(group=f"posebench.{group}")}


def source_digest(thing: Any) -> str:
    """First 16 hex digits of the SHA-256 of the file that defines `thing` (a function, class or descriptor's work)."""
    while isinstance(thing, partial):  # which else counts as functools' own
        thing = thing.func
    module = inspect.getmodule(thing)
    try:
        text = Path(inspect.getfile(module or thing)).read_bytes()
    except (TypeError, OSError):
        text = repr(thing).encode()
    return hashlib.sha256(text).hexdigest()[:16]
