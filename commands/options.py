"""How option values are written: lists with commas, sizes as HEIGHTxWIDTH, boxes as X,Y,W,H."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..pose.errors import InputError
from ..pose.files import check_replaceable

if TYPE_CHECKING:
    from rich.progress import Progress


def words(text: str | None, option: str = "") -> list[str]:
    """The items of "a,b"; empty for None. InputError where there are none in what was given."""
    items = [item.strip() for item in (text or "").split(",") if item.strip()]
    if text is not None and not items:
        raise InputError(f"{option or 'an option'} is empty: give one or more values, separated by commas")
    return items


def numbers(text: str | None, option: str, kind: Callable[[str], Any] = float) -> list[Any]:
    """The numbers of "0.2,0.4". InputError naming the option for anything else."""
    try:
        return [kind(item) for item in words(text, option)]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{option} {text!r}: give {what} separated by commas") from None


def size(text: str | None) -> tuple[int, int] | None:
    """(height, width) of "256x192"."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise InputError(f"--input-size {text!r}: give HEIGHTxWIDTH, such as 256x192")
    return int(parts[0]), int(parts[1])


def check_new(path: Path, option: str, *, force: bool | None = None) -> None:
    """InputError unless `path` may become a file: it is new or, with `force`, a regular file. force: of --force, None
    where the command has no such option."""
    check_replaceable(path)
    if path.exists() and not force:
        raise InputError(f"{path}: exists already; give {option} another{'' if force is None else ', or --force'}")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 cell", "2 cells"; `plural` where it is irregular."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def print_rows(rows: Iterable[Any], columns: Iterable[str] | None, format: str, caption: str = "") -> None:
    """Rows on standard output, as a table with a caption or in a format for programs."""
    from rich.console import Console

    from ..reports.tables import render_rows

    rendered = render_rows(list(rows), list(columns) if columns else None, format)
    if isinstance(rendered, str):
        print(rendered, end="" if rendered.endswith("\n") else "\n")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=250)
    console.print(rendered)
    if caption:
        console.print(caption, style="dim", soft_wrap=True)


def progress_bar() -> Progress:
    """A progress bar on standard error, so that results on standard output stay clean."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[info]}"),
        console=Console(stderr=True),
    )


class Bar:
    """A `progress(done, total, **info)` callable that draws a bar while it is used as a context."""

    def __init__(self, description: str):
        self.description = description
        self.progress = progress_bar()

    def __enter__(self) -> Bar:
        self.progress.start()
        self.task = self.progress.add_task(self.description, total=None, info="")
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, done: int, total: int, **info: Any) -> None:
        stage = info.pop("stage", None)
        shown = {k: v for k, v in info.items() if k in ("epoch", "loss", "accuracy")}
        text = "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
        description = f"{self.description}: {stage}" if stage else self.description
        self.progress.update(self.task, completed=done, total=total, info=text, description=description)
