"""Whatever speaks wandb's init, log and finish: wandb itself, and trackio."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import Scalars

PROJECT = "posebench"


def open_wandb(name: str, params: Mapping[str, Any], where: str, folder: Path) -> _Run:
    """where: the project. Nothing goes over the network unless the user has set WANDB_MODE."""
    os.environ.setdefault("WANDB_MODE", "offline")
    # A sweep has several runs open at once, which each other value of reinit would end (wandb 0.19.10 and later).
    return _Run(importlib.import_module("wandb"), name, params, where, dir=str(folder), reinit="create_new")


def open_trackio(name: str, params: Mapping[str, Any], where: str, folder: Path) -> _Run:
    """where: the project."""
    return _Run(importlib.import_module("trackio"), name, params, where)


class _Run:
    """A run of a module with wandb's `init`; the module's own `log` and `finish` are of the run that began last."""

    def __init__(self, module: Any, name: str, params: Mapping[str, Any], where: str, **options: Any) -> None:
        self._run = module.init(project=where or PROJECT, name=name, config=dict(params), **options)

    def log(self, values: Scalars, step: int | None = None) -> None:
        self._run.log(dict(values), step=step)

    def finish(self) -> None:
        self._run.finish()
