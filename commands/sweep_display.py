"""How a running sweep looks: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..pose.metrics import METRICS
from ..sweeps.events import Event
from .options import count

if TYPE_CHECKING:
    from ..sweeps.plan import Plan

PLAIN_EVERY_SECONDS = 15.0
PARTS = {
    "data": "embedded data set",
    "pictures": "pictures of the masks",
    "by_size": "accuracy by size of people",
    "by_joint": "accuracy by joint",
    "lost_people": "pictures of lost people",
    "equal_gflopst": "comparison at equal GFLOPsT",
    "agreement": "tokens kept in common",
    "report": "report",
}
#: how the accuracy of a finished cell is written, by its column
_METRICS = {metric.column: f"{metric.name} {{:.{metric.digits}f}}" for metric in METRICS}
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass
class Line:
    """One cell, base model or other part as shown. work: its share of the whole, in images through the network."""

    label: str
    work: float = 0.0
    state: str = WAITING
    where: str = ""
    stage: str = ""
    fraction: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)
    started: float | None = None
    ended: float | None = None
    said: float = 0.0

    def elapsed(self) -> float | None:
        return None if self.started is None else (self.ended or time.monotonic()) - self.started


class Unheard:
    """A text stream for news that nobody has to hear: where it leads nowhere any more (a closed terminal, a reader that
    has ended, a full disk), what is written is dropped, and the work goes on."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class SweepDisplay:
    """A listener of a sweep's events, and a context manager around the run. `root` is known once the sweep is."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.root = None
        self.lines: dict[str, Line] = {}
        self._begun = time.monotonic()
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)

    def __enter__(self) -> SweepDisplay:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        if event.kind == "plan":
            self._plan(event.info["plan"], event.info["root"])
            return
        line = self.lines.setdefault(event.name, Line(_part_label(event.name)))
        now = time.monotonic()
        if event.kind in ("start", "progress"):
            line.state, line.started = RUNNING, line.started or now
            line.where = event.where or line.where
        if event.kind == "progress":
            line.stage, line.info = event.stage, event.info
            line.fraction = _overall(event.stage, event.done / max(event.total, 1))
        if event.kind == "retry":
            line.state, line.stage, line.info, line.started = WAITING, "with less memory", {}, None
        if event.kind in ("done", "skipped"):
            line.state, line.fraction = DONE, 1.0
            line.info = {name: event.info[name] for name in _METRICS if name in event.info}
            line.stage = "earlier" if event.kind == "skipped" else ""
            line.ended = now
        if event.kind == "failed":
            line.state, line.info, line.ended = FAILED, event.info, now
        self._say(event, line)

    def _plan(self, plan: Plan, root: object) -> None:
        self.root = root
        self._begun = time.monotonic()
        for key, base in plan.bases.items():
            self.lines[key] = Line(base.label, base.train.epochs * plan.data.train_people * 3)
        for cell in plan.cells:
            epochs = cell.train.epochs if cell.trains else 0
            images = epochs * plan.data.train_people * 3 + 2 * plan.data.eval_people + 1
            self.lines[cell.key] = Line(cell.label, images)
        for note in plan.notes:
            self.console.print(f"{note}; the cells have masks of their own", markup=False, soft_wrap=True)
        if not self.console.is_terminal:
            self.console.print(f"{count(len(plan.cells), 'cell')} in {root}", markup=False, soft_wrap=True)

    def _say(self, event: Event, line: Line) -> None:
        """Plain output: one line per piece of news, progress now and then."""
        if self.console.is_terminal:
            return
        now = time.monotonic()
        if event.kind == "start":
            line.said = now
        if event.kind == "start" or (event.kind == "progress" and now - line.said < PLAIN_EVERY_SECONDS):
            return
        line.said = now
        parts = [time.strftime("%H:%M:%S"), line.label]
        if event.kind == "progress":
            parts += [f"on {line.where}"] if line.where else []
            parts += [event.stage, f"{100 * event.done / max(event.total, 1):.0f} %"]
        elif event.kind in ("failed", "retry"):
            parts.append("failed:" if event.kind == "failed" else "is tried again with less memory:")
        else:
            parts.append("done earlier" if event.kind == "skipped" else f"done in {duration(line.elapsed())}")
        text = " ".join([*parts, _figures(event.info if event.kind == "retry" else line.info)]).rstrip()
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @property
    def nothing_left(self) -> bool:
        """Whether every cell was finished before this run, so that only the pictures and the report were made."""
        return bool(self.lines) and all(
            line.started is None or line.label in PARTS.values() for line in self.lines.values()
        )

    def remaining_seconds(self) -> float | None:
        """Time left, from what was worked off in this run so far; None before anything was."""
        fresh = [line for line in self.lines.values() if line.stage != "earlier"]
        done = sum(line.work * line.fraction for line in fresh)
        left = sum(line.work * (1 - line.fraction) for line in fresh if line.state in (WAITING, RUNNING))
        started = [line.started for line in fresh if line.started is not None and line.work]
        if not done or not started:
            return None
        return (time.monotonic() - min(started)) * left / done

    def render(self) -> Group:
        """The table and a line below it; as many rows as the terminal has room for."""
        table = Table(box=None, pad_edge=False)
        for name in ("cell", "where", "stage", "", "", "time"):
            table.add_column(name, justify="right" if name == "time" else "left", no_wrap=name != "")
        for line in self._shown():
            style = {FAILED: "red", WAITING: "dim", DONE: "green"}.get(line.state, "")
            bar = ProgressBar(total=1, completed=line.fraction, width=16) if line.state == RUNNING else ""
            stage = (line.stage or "starting") if line.state == RUNNING else f"{line.state} {line.stage}".strip()
            table.add_row(
                Text(line.label),
                Text(line.where if line.state == RUNNING else ""),
                Text(stage, style),
                bar,
                Text(_figures(line.info)),
                duration(line.elapsed()),
            )
        return Group(table, Text(self._summary(), "bold"))

    def _summary(self) -> str:
        lines = list(self.lines.values())
        done = sum(line.state == DONE for line in lines)
        failed = sum(line.state == FAILED for line in lines)
        left = self.remaining_seconds()
        parts = [f"{done} of {len(lines)} done", f"{duration(time.monotonic() - self._begun)} so far"]
        if failed:
            parts.insert(1, f"{failed} failed")
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def _shown(self) -> list[Line]:
        lines = list(self.lines.values())
        room = max(4, self.console.size.height - 4)
        if len(lines) <= room:
            return lines
        active = [line for line in lines if line.state in (RUNNING, FAILED)][:room]
        ended = [line for line in lines if line.state == DONE]
        waiting = [line for line in lines if line.state == WAITING]
        spare = room - len(active)
        chosen = active + waiting[: spare // 2]
        chosen += ended[len(ended) - min(len(ended), room - len(chosen)) :]
        shown = set(map(id, chosen))
        return [line for line in lines if id(line) in shown]


def duration(seconds: float | None) -> str:
    """75.2 -> "1:15"; None -> ""."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _part_label(name: str) -> str:
    return PARTS.get(name, "latency" if name.startswith("timing ") else name)


def _overall(stage: str, fraction: float) -> float:
    """A cell's fraction from its stage's: training is nearly all of it."""
    begin, end = {"memory": (0, 0.02), "training": (0.02, 0.92), "evaluation": (0.92, 1.0)}.get(stage, (0, 1))
    return begin + (end - begin) * min(max(fraction, 0.0), 1.0)


def _figures(info: dict[str, Any]) -> str:
    if info.get("error"):
        return str(info["error"])
    shown = {"loss": "loss {:.4g}", "accuracy": "acc {:.3f}"} | _METRICS
    parts = [text.format(info[name]) for name, text in shown.items() if isinstance(info.get(name), (int, float))]
    return ", ".join(parts)
