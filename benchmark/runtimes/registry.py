"""Runtimes by name: ours, those that installed packages announce, and a user's own by "package.module:name"."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from importlib.util import find_spec

from ...pose.errors import InputError
from ...pose.plugins import announced, is_reference, load_object
from .catalogue import RUNTIMES
from .descriptor import PRECISIONS, Runtime


def runtime_names() -> list[str]:
    """Every name that `--runtime` takes, a user's own by "package.module:name" apart."""
    return [*RUNTIMES, *(name for name in announced("runtimes") if name not in RUNTIMES)]


#: of users' modules, that somebody has asked for in this process
_LOADED: set[str] = set()


def is_known(name: str) -> bool:
    """Whether find_runtime imports no module for it that has not been imported already."""
    return not is_reference(name) or name in _LOADED


@lru_cache
def find_runtime(name: str) -> Runtime:
    """The descriptor of a runtime by name; InputError with the nearest name where there is none."""
    if name in RUNTIMES:
        return RUNTIMES[name]
    reference = announced("runtimes").get(name, name)
    if is_reference(str(reference)):
        thing = load_object(reference)
        if not isinstance(thing, Runtime):
            raise InputError(f"{name}: is a {type(thing).__name__}; give a posebench.benchmark.runtimes Runtime")
        _LOADED.add(name)
        return thing
    near = get_close_matches(str(name), runtime_names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    known = ", ".join(runtime_names())
    raise InputError(f"unknown runtime {name!r}: {hint}known runtimes are {known}, or package.module:name")


def check_runtime(name: str, precision: str, device: str, *, here: bool = True) -> Runtime:
    """The runtime, which computes in `precision` on a kind of device ("cpu", "cuda"), and whose packages are there if
    it is to run `here`; InputError, one line, otherwise."""
    runtime = find_runtime(name)
    check_precision(precision)
    if device not in runtime.devices:
        raise InputError(f"runtime {name} runs on {' or '.join(runtime.devices)}, not on {device}")
    missing = [package for package in runtime.packages if find_spec(package) is None]
    if missing and here:
        how = f": pip install 'posebench[{runtime.extra}]'" if runtime.extra else ""
        raise InputError(f"runtime {name} needs {', '.join(missing)}{how}")
    known = runtime.precisions(device)
    if precision not in known:
        raise InputError(f"runtime {name} does not compute in {precision} on {device}; give {', '.join(known)}")
    return runtime


def check_precision(precision: str) -> str:
    """Return the precision if there is such a one; InputError otherwise."""
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: give one of {', '.join(PRECISIONS)}")
    return precision
