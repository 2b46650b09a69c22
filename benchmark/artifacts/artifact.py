"""A file opened: what its runtime does with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Step:
    """A value of the graph, in the order of computation. modules: paths of the modules that it is computed in, the
    innermost last; used_in: those of each place where it is used."""

    value: str
    modules: tuple[str, ...]
    used_in: tuple[tuple[str, ...], ...]


class Artifact(Protocol):
    """A network in a file, ready to run on the CPU in float32.

    known: its metadata, text by name. input_shape: with None where any size goes. fallbacks: operators that the runtime
    does not execute with a kernel of its own for this device.
    """

    path: Path
    known: Mapping[str, str]
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]
    fallbacks: tuple[str, ...]

    def run(self, images: np.ndarray) -> np.ndarray:
        """Heatmaps (B, J, h, w) float32 of images (B, 3, H, W)."""

    def values(self, images: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Intermediate values by name; those that the file does not have are left out."""

    def steps(self) -> Iterator[Step]:
        """How values belong to modules, for a file just written."""


#: what a file just written tells of itself: more metadata
Describe = Callable[[Artifact], Mapping[str, str]]


def sizes(shape: Sequence[Any]) -> tuple[int | None, ...]:
    """A shape with None for what is not a number."""
    return tuple(size if isinstance(size, int) else None for size in shape)
