"""The same numbers from the same inputs, bit by bit, on the same machine."""

from __future__ import annotations

import os

import torch

#: what cuBLAS needs so that its products repeat; read when CUDA starts
_CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def set_deterministic() -> None:
    """For the rest of the process: torch's deterministic algorithms, no choice of a convolution by trying, and cuBLAS's
    fixed workspace. An operator that has no deterministic algorithm raises. Call it before CUDA is
    used."""
    os.environ.setdefault(*_CUBLAS)
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
