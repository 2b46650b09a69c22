"""`--track` of train and sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..reports.trackers.catalogue import Runs, Trackers
    from ..sweeps.events import Event

TRACK_HELP = (
    "also write scalars to tensorboard, wandb, trackio, mlflow or package.module:NAME, as NAME or NAME:WHERE; "
    "repeatable (default: none)"
)
Track = Annotated[list[str] | None, typer.Option("--track", help=TRACK_HELP)]


class TrainingTracker:
    """A progress callback that shows and tracks; its run is opened at the first news, when the folder is there."""

    def __init__(
        self, bar: Callable[..., Any], asked: list[str] | None, folder: Path, params: Mapping[str, Any]
    ) -> None:
        from ..reports.trackers.catalogue import Trackers

        self._bar, self._trackers, self._folder, self._params = bar, Trackers(asked or ()), folder, params
        self._runs: Runs | None = None

    def __call__(self, step: int, total: int, **info: Any) -> None:
        self._bar(step, total, **info)
        if self._trackers:
            if self._runs is None:
                self._runs = self._trackers.open_run(self._folder.name, self._params, self._folder)
            self._runs.progress(step, total, **info)

    def __enter__(self) -> TrainingTracker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._runs is not None:
            self._runs.finish()


class SweepTracker:
    """A listener of a sweep's events: the scalars of each training as it goes, and each row when it is there."""

    def __init__(self, display: Callable[[Event], None], trackers: Trackers) -> None:
        self._display, self._trackers = display, trackers
        self._root: Path | None = None
        self._cells: Mapping[str, Any] = {}
        self._open: dict[str, Runs] = {}

    def __call__(self, event: Event) -> None:
        self._display(event)
        if event.kind == "plan":
            plan, self._root = event.info["plan"], Path(event.info["root"])
            self._cells = {cell.key: cell for cell in plan.cells} | dict(plan.bases)
        elif event.name in self._cells:
            self._follow(event)

    def _follow(self, event: Event) -> None:
        from ..pose.records import to_plain
        from ..sweeps.store import flatten

        if event.kind == "skipped":
            return  # tracked by the run that did it
        if event.name not in self._open:
            cell = self._cells[event.name]
            params = flatten(to_plain(cell))
            self._open[event.name] = self._trackers.open_run(cell.label, params, self._root)
        runs = self._open[event.name]
        if event.kind == "progress" and event.stage == "training":
            runs.progress(event.done, event.total, **event.info)
        if event.kind == "done":
            runs.log(event.info)
        if event.kind in ("done", "failed"):
            self._open.pop(event.name).finish()

    def close(self) -> None:
        """Finish what an interrupted sweep leaves open."""
        for runs in self._open.values():
            runs.finish()
