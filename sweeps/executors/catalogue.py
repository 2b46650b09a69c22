"""Executors by name: ours, those that installed packages announce, and a user's own by "package.module:NAME"."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches

from ...pose.errors import InputError
from ...pose.plugins import announced, is_reference, load_object
from .engine_options import RAY_OPTIONS, SLURM_OPTIONS
from .executor import Executor

_HERE = "posebench.sweeps.executors"
_TABLE = (
    Executor("local", f"{_HERE}.local:run", "processes on this machine", here=True),
    Executor("slurm", f"{_HERE}.slurm:run", "an array job of a SLURM cluster", SLURM_OPTIONS),
    Executor("ray", f"{_HERE}.ray:run", "tasks of a Ray cluster", RAY_OPTIONS),
)
EXECUTORS = {executor.name: executor for executor in _TABLE}
DEFAULT = "local"


def executor_names() -> list[str]:
    """Every name that there is an executor for, a user's own by "package.module:NAME" apart."""
    return [*EXECUTORS, *(name for name in announced("executors") if name not in EXECUTORS)]


def find_executor(name: str) -> Executor:
    """The descriptor of an executor; a function that somebody brings gets one. InputError where there is none."""
    if name in EXECUTORS:
        return EXECUTORS[name]
    reference = announced("executors").get(name, name)
    if is_reference(reference):
        thing = load_object(reference)
        if isinstance(thing, Executor):
            return replace(thing, name=name)
        if callable(thing):
            return Executor(name, thing, options=None)
        raise InputError(f"{name}: is a {type(thing).__name__}; give an Executor, or a function like its `run`")
    near = get_close_matches(name, executor_names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    known = f"known are {', '.join(executor_names())}, or package.module:NAME"
    raise InputError(f"unknown executor {name!r}: {hint}{known}")
