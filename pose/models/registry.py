"""Models by name: ours, those that installed packages announce, and a user's own by "package.module:name"; without
torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from ..errors import InputError
from ..plugins import announced, is_reference, load_object, source_digest
from ..reductions.config import NONE
from .architectures import ALIASES, MODELS


@dataclass(frozen=True)
class Model:
    """What posebench knows of a model without making it.

    build: a function, or "module:function", which is imported when it is first used, from what it names among its
    parameters to an nn.Module that maps images (B, 3, H, W) to heatmaps (B, J, h, w) (see own.py); None for ours.
    published_mask: the mask and ratio that the name stands for. tiny: made for the embedded set, trainable on a CPU
    within minutes. joint_blocks: it has blocks on its keypoint tokens alone.
    """

    name: str
    build: str | Callable[..., Any] | None = None
    published_mask: tuple[str, float] = (NONE, 0.0)
    tiny: bool = False
    joint_blocks: bool = False

    def function(self) -> Callable[..., Any]:
        """The builder itself, imported if need be."""
        return load_object(self.build) if isinstance(self.build, str) else self.build

    @property
    def source(self) -> str | None:
        """Digest of the file that makes it; None for ours."""
        return None if self.build is None else source_digest(self.function())


def model_names() -> list[str]:
    """Every name that `--model` takes, a user's own by "package.module:name" apart."""
    return sorted([*MODELS, *ALIASES, *(name for name in announced("models") if name not in MODELS)])


@lru_cache
def find_model(name: str) -> Model:
    """The descriptor of a model by name; InputError with the nearest name where there is none.

    "package.module:name" may be a descriptor, or the builder alone.
    """
    name = ALIASES.get(name, name)
    if name in MODELS:
        ours = MODELS[name]
        return Model(name, None, ours.published_mask, tiny=ours.tiny, joint_blocks=ours.joint_blocks > 0)
    reference = announced("models").get(name, name)
    if is_reference(str(reference)):
        thing = load_object(reference)
        if isinstance(thing, Model):
            return Model(name, thing.build, thing.published_mask, tiny=thing.tiny)
        if callable(thing):
            return Model(name, thing)
        raise InputError(f"{name}: is a {type(thing).__name__}; give a function that makes a module")
    near = get_close_matches(str(name), model_names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown model {name!r}: {hint}`posebench models` lists them, or give package.module:name")
