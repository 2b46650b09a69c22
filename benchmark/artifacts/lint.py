"""Which reductions export to which runtime, found by doing it: before a week of training, not after."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...pose.errors import InputError
from ...pose.models.model import PoseModel
from ..runtimes.prepared import TOLERANCE
from .export import Deployed, write_program
from .formats import FORMATS

EXPORTS, DIFFERS, FAILS, MISSING = "exports", "differs", "does not export", "missing"


@dataclass(frozen=True)
class Check:
    """One reduction in one runtime. verdict: one of the four above. difference: the largest of a heatmap value to
    eager's, on made-up images. form: how it drops and merges in the file. fallbacks: operators without a kernel of
    the runtime's own. reason: why it does not, in one line."""

    model: str
    mask: str
    mask_ratio: float | None
    runtime: str
    verdict: str
    difference: float | None = None
    form: str = ""
    fallbacks: str = ""
    reason: str = ""

    @property
    def good(self) -> bool:
        return self.verdict == EXPORTS


def check_exports(
    make: Callable[[], PoseModel], model: str, mask: str, ratio: float | None, runtimes: Sequence[str]
) -> Iterator[Check]:
    """A check for each runtime of the model that `make` makes; whatever it raises is a verdict, too."""
    missing = {runtime for runtime in runtimes if FORMATS[runtime].missing}
    about = (model, mask, ratio)
    try:
        made = make().eval()
        deployed = Deployed(made, normalise=False).eval()
        about = (made.spec.name, made.spec.mask, made.spec.mask_ratio)
        program = deployed.program(dynamic_batch=False) if set(runtimes) - missing else None
    except Exception as error:  # a user's reduction and torch's tracer raise what they like
        yield from (Check(*about, runtime, FAILS, reason=_reason(error)) for runtime in runtimes)
        return
    with tempfile.TemporaryDirectory() as folder:
        for runtime in runtimes:
            form = FORMATS[runtime]
            if runtime in missing:
                remedy = f"{', '.join(form.missing)}: pip install 'posebench[{form.extra}]'"
                yield Check(*about, runtime, MISSING, reason=remedy)
                continue
            yield _check(about, deployed, program, runtime, Path(folder) / f"model{form.suffix}")


def _check(about: tuple[str, str, float | None], deployed: Deployed, program: Any, runtime: str, path: Path) -> Check:
    try:
        difference, artifact = write_program(deployed, program, path, runtime, dynamic_batch=False)
    except Exception as error:
        return Check(*about, runtime, FAILS, reason=_reason(error))
    dropping, merging = (artifact.known[name] for name in ("dropping", "merging"))
    form = ", ".join(dict.fromkeys(word for word in (dropping, merging) if word != "none")) or "as it is"
    equal = difference <= TOLERANCE
    reason = "" if equal else f"heatmaps differ by more than {TOLERANCE:g}"
    return Check(
        *about, runtime, EXPORTS if equal else DIFFERS, difference, form, ", ".join(artifact.fallbacks), reason
    )


def _reason(error: Exception) -> str:
    """The first line that says something of what may be pages."""
    cause = error.__cause__ if isinstance(error, torch.onnx.OnnxExporterError) and error.__cause__ else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    said = lines[0][:200] if lines else ""
    return said if isinstance(error, InputError) else f"{type(cause).__name__}: {said}"
