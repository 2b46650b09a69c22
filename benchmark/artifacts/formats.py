"""The formats that a model can be written in. A new one is a file beside this one and an entry here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...pose.errors import InputError

_HERE = "posebench.benchmark.artifacts"


@dataclass(frozen=True)
class Format:
    """suffix: of its files, others that go with it in `beside`. packages: what writing, reading and running it takes,
    which posebench's `extra` brings. module: with `write` (program, path, known) and `read` (path, threads) ->
    Artifact."""

    name: str
    suffix: str
    module: str
    summary: str
    packages: tuple[str, ...] = ()
    extra: str = ""
    beside: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [package for package in self.packages if find_spec(package) is None]

    def check(self, what: str) -> Format:
        """InputError, with the remedy, where a package is missing. what: the option or file that needs it."""
        if self.missing:
            raise InputError(f"{what} needs {', '.join(self.missing)}: pip install 'posebench[{self.extra}]'")
        return self

    def work(self) -> Any:
        """The module."""
        return import_module(self.module)

    def files(self, path: Path) -> list[Path]:
        """All files of a model at `path`, in the order in which they go to their places: that one last."""
        return [*(path.with_suffix(suffix) for suffix in self.beside), path]


_TABLE = (
    Format("onnx", ".onnx", f"{_HERE}.onnx_file", "ONNX", ("onnx", "onnxruntime", "onnxscript"), "export"),
    Format(
        "openvino",
        ".xml",
        f"{_HERE}.openvino_file",
        "OpenVINO's IR, an .xml with its .bin",
        ("openvino", "onnx", "onnxruntime", "onnxscript"),
        "openvino",
        (".bin",),
    ),
    Format("torch", ".pt2", f"{_HERE}.torch_file", "torch.export's .pt2"),
)
FORMATS: dict[str, Format] = {one.name: one for one in _TABLE}


def find_format(name: str) -> Format:
    """The format by name; InputError where it is unknown, or a package that it takes is missing."""
    return known_format(name).check(f"--runtime {name}")


def known_format(name: str) -> Format:
    """The same, whatever is missing."""
    if name not in FORMATS:
        raise InputError(f"--runtime {name!r}: give one of {', '.join(FORMATS)}")
    return FORMATS[name]


def format_of(path: Path | str) -> Format | None:
    """The format of a file by its name's end; None for any other."""
    suffix = Path(path).suffix.lower()
    return next((one for one in FORMATS.values() if one.suffix == suffix), None)
