"""The oldest torch whose exporter is used: of older ones files have another layout, and batch norms no ONNX form."""

from __future__ import annotations

import torch

from ...pose.errors import InputError

OLDEST = "2.9"


def check_exporter() -> None:
    """InputError where torch is older."""
    if torch.__version__ < OLDEST:
        what = f"exported models need torch {OLDEST} or newer, this is {torch.__version__}"
        raise InputError(f"{what}: pip install 'posebench[export]'")
