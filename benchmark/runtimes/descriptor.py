"""What posebench knows of a runtime without running it; imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...pose.plugins import load_object

FLOAT32, INT8 = "float32", "int8"
PRECISIONS = (FLOAT32, "bfloat16", "float16", INT8)


@dataclass(frozen=True)
class Runtime:
    """One way to execute a network.

    prepare: (Task) -> Prepared (see prepared.py), or "module:function", which is imported when it is first used.
    summary: one line. devices: kinds of device that it runs on. cpu_precisions, cuda_precisions: what it computes in
    there. packages: what must be installed for it; extra: the extra of posebench that brings them.
    in_torch: torch's own operators do the work, so that torch's profiler sees all of its memory.
    form: (a module, an example of its inputs; without one for a pose model) -> the module that it executes, whose
    multiply-adds are counted; None for the module as it is.
    profile: (Task, Prepared, scopes) -> what its profiler looks at (see explain/passes.py); None without one.
    """

    name: str
    prepare: str | Callable[..., Any]
    summary: str
    devices: tuple[str, ...] = ("cpu", "cuda")
    cpu_precisions: tuple[str, ...] = (FLOAT32, "bfloat16")
    cuda_precisions: tuple[str, ...] = (FLOAT32, "bfloat16", "float16")
    packages: tuple[str, ...] = ()
    extra: str = ""
    in_torch: bool = False
    form: str | Callable[..., Any] | None = None
    profile: str | Callable[..., Any] | None = None

    def function(self) -> Callable[..., Any]:
        """`prepare` itself, imported if need be."""
        return load_object(self.prepare) if isinstance(self.prepare, str) else self.prepare

    def executed(self, module: Any, *inputs: Any) -> Any:
        """The module whose operators it executes. inputs: an example, which a pose model does not need."""
        if self.form is None:
            return module
        form = load_object(self.form) if isinstance(self.form, str) else self.form
        return form(module, *inputs)

    def profiler(self) -> Callable[..., Any] | None:
        """`profile` itself, imported if need be."""
        return load_object(self.profile) if isinstance(self.profile, str) else self.profile

    def precisions(self, device: str) -> tuple[str, ...]:
        """Those that it computes in on a kind of device, "cpu" or "cuda"."""
        return self.cuda_precisions if device == "cuda" else self.cpu_precisions
