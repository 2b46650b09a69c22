"""Trackers by name: ours, those that installed packages announce, and a module that speaks wandb's init/log/finish."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...pose.errors import InputError
from ...pose.plugins import announced, is_reference, load_object
from .tracker import Run, Tracker

_HERE = "posebench.reports.trackers"
_TABLE = (
    Tracker("tensorboard", f"{_HERE}.tensorboard:open_run", "event files in DIR/tensorboard", "tensorboard"),
    Tracker("wandb", f"{_HERE}.wandb_like:open_wandb", "offline unless WANDB_MODE says otherwise", "wandb"),
    Tracker("trackio", f"{_HERE}.wandb_like:open_trackio", "on this machine", "trackio"),
    Tracker("mlflow", f"{_HERE}.mlflow:open_run", "files in DIR/mlruns unless MLFLOW_TRACKING_URI is set", "mlflow"),
)
TRACKERS = {tracker.name: tracker for tracker in _TABLE}


class Trackers:
    """The trackers that a user asked for, as one; none is the usual case, and costs nothing.

    asked: texts "name" or "name:where". Raises InputError for an unknown name, and for a package that is not here.
    """

    def __init__(self, asked: tuple[str, ...] | list[str] = ()) -> None:
        self._chosen = [_find(text) for text in asked]

    def open_run(self, name: str, params: Mapping[str, Any], folder: Path) -> Runs:
        """A run in each of them; folder: the run's own."""
        return Runs([tracker.open_run(name, params, where, folder) for tracker, where in self._chosen])

    def __bool__(self) -> bool:
        return bool(self._chosen)


class Runs:
    """The same run in several trackers."""

    def __init__(self, runs: list[Run]) -> None:
        self._runs = runs

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """The numbers among `values`; everything else is left out."""
        scalars = {name: float(value) for name, value in values.items() if _is_number(value)}
        for run in self._runs if scalars else ():
            run.log(scalars, step)

    def finish(self) -> None:
        for run in self._runs:
            run.finish()

    def progress(self, step: int, total: int, **info: Any) -> None:
        """A training's progress callback: its scalars at this step."""
        self.log({name: info[name] for name in _SCALARS if name in info}, step)


_SCALARS = ("epoch", "loss", "accuracy", "learning_rate", "images_per_second")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _find(text: str) -> tuple[Tracker, str]:
    name, _, where = text.partition(":")
    if name in TRACKERS:
        tracker = TRACKERS[name]
        if importlib.util.find_spec(tracker.needs) is None:
            extra = f"pip install 'posebench[{name}]'" if name in ("tensorboard", "mlflow") else f"pip install {name}"
            raise InputError(f"--track {name}: needs {tracker.needs}, which is not installed: {extra}")
        return tracker, where
    reference = announced("trackers").get(name)
    if reference is not None or is_reference(text):
        thing = load_object(reference or text)
        if isinstance(thing, Tracker):
            return thing, where if reference else ""
        if callable(thing):
            return Tracker(text, thing), where if reference else ""
        right = "give a Tracker, or a function like its `open_run`"
        raise InputError(f"--track {text}: is a {type(thing).__name__}; {right}")
    known = ", ".join([*TRACKERS, *announced("trackers")])
    raise InputError(f"--track {text!r}: known are {known}, or package.module:NAME")
