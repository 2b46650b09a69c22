"""What posebench knows of an executor without importing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...pose.errors import InputError
from ...pose.plugins import load_object


@dataclass(frozen=True)
class Executor:
    """work: `run(tasks, resources, on_message, on_exit)`, or where it lies ("package.module:name").

    `run` does all tasks, in order as far as there is room, and returns when the last has ended. It calls back in the
    thread that called it: `on_message(name, message)` for each JSON line of a task's process, and for news of its own,
    {"stage": "start", "where": "cuda:3"} when it has put the task somewhere; then `on_exit(name, code)`, once for each
    task, when its folder here holds all that its process left. What a lost machine was doing is done again elsewhere,
    as the executor's own matter. On any exception, KeyboardInterrupt and those of the callbacks included, it ends all
    that runs before it lets the exception go on. What the user got wrong is an InputError.

    options: what `--executor-option` may name, with a help text; None: it looks at them itself. here: on this machine,
    whose devices can be looked at beforehand.
    """

    name: str
    work: Callable[..., None] | str
    about: str = ""
    options: Mapping[str, str] | None = field(default_factory=dict)
    here: bool = False

    @property
    def run(self) -> Callable[..., Any]:
        return load_object(self.work) if isinstance(self.work, str) else self.work

    def check_options(self, given: Mapping[str, str]) -> None:
        """InputError for an option that this executor does not have."""
        for name in given if self.options is not None else ():
            if name not in self.options:
                known = f"known are {', '.join(self.options)}" if self.options else "it has none"
                raise InputError(f"--executor-option {name}: {self.name} has no such option; {known}")
