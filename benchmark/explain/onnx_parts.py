"""From the names of a runtime's nodes back to the parts of the model that an ONNX file was written from."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

from .parts import Scopes, part_of

_SCOPES = "pkg.torch.onnx.name_scopes"  # of a node, by torch's exporter: the names of the modules around it


def part_finder(file: Path, scopes: Scopes) -> Callable[[str], tuple[bool, str | None]]:
    """A function from a node's name in a runtime to whether it is known, and its part (None: in none).

    An optimiser names what it makes after a node of the file or one of its outputs, with words before or behind.
    """
    import onnx

    known: dict[str, str | None] = {}
    for node in onnx.load(file, load_external_data=False).graph.node:
        text = next((prop.value for prop in node.metadata_props if prop.key == _SCOPES), "[]")
        part = part_of([name for name in ast.literal_eval(text) if name], scopes)
        known.update(dict.fromkeys((node.name, *node.output), part))
    found: dict[str, tuple[bool, str | None]] = {}

    def find(name: str) -> tuple[bool, str | None]:
        if name not in found:
            found[name] = _look(name, known)
        return found[name]

    return find


def _look(name: str, known: dict[str, str | None]) -> tuple[bool, str | None]:
    words = re.split("([_/.:-])", name)
    for length in range(len(words), 0, -2):  # the longest that is the name of a node
        for start in range(0, len(words) - length + 1, 2):
            text = "".join(words[start : start + length])
            if text in known:
                return True, known[text]
    return False, None
