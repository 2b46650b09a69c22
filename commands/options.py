"""How option values are written: lists with commas, sizes as HEIGHTxWIDTH, boxes as X,Y,W,H."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pose.errors import InputError
from ..pose.files import check_writable
from ..sweeps.checked import LARGEST, MOST_PROCESSES, MOST_THREADS

if TYPE_CHECKING:
    from rich.progress import Progress


def _format(value: str) -> str:
    from ..reports.tables import FORMATS

    if value not in FORMATS:
        raise InputError(f"unknown format {value!r}; one of {', '.join(FORMATS)}")
    return value


Format = Annotated[str, typer.Option(help="table, json, csv or markdown", callback=_format)]
LARGEST_SEED = 2**63 - 1


def whole(help: str, least: int = 0, most: int = LARGEST) -> Any:
    """An option that is a whole number within bounds."""
    return typer.Option(min=least, max=most, help=help)


def real(help: str, *names: str, least: float = 0.0, most: float = 1e9) -> Any:
    """An option that is a number within bounds, which neither infinity nor NaN is."""

    def check(value: float | None) -> float | None:
        if value is not None and not least <= value <= most:
            raise typer.BadParameter(f"{value:g} is not a number from {least:g} to {most:g}")
        return value

    return typer.Option(*names, help=help, callback=check)


Device = Annotated[str, typer.Option(help="cpu or cuda")]
Threads = Annotated[int | None, whole("CPU threads (default: torch's default)", 1, MOST_THREADS)]
Processes = Annotated[
    int,
    whole(
        "processes that share samples and seconds, each timing all; from 3 on intervals hold what one has by chance",
        1,
        MOST_PROCESSES,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress on the way, the result alone")]
Tf32 = Annotated[str, typer.Option(help="float32 on CUDA: on is TF32, off is float32, in all layers")]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="the same bits each time on the same machine, or an error where none can be"),
]
Wide = Annotated[bool, typer.Option("--wide", help="a table with every column, however wide it gets")]


def words(text: str | None, option: str = "", split: Callable[[str], list[str]] | None = None) -> list[str]:
    """The items of "a,b"; empty for None. InputError where one is empty.

    split: takes the text apart, by default at every comma.
    """
    if text is None:
        return []
    items = [item.strip() for item in (split(text) if split else text.split(","))]
    if not all(items):
        what = "has an empty value" if any(items) else "is empty"
        raise InputError(f"{option or 'an option'} {what}: give one or more values, separated by commas")
    return items


def on_or_off(text: str, option: str) -> bool:
    """InputError naming the option for anything but on and off."""
    if text not in ("on", "off"):
        raise InputError(f"{option} {text!r}: give on or off")
    return text == "on"


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
    if len(parts) != 2 or not all(re.fullmatch(r"[0-9]{1,6}", part.strip()) for part in parts):
        raise InputError(f"--input-size {text!r}: give HEIGHTxWIDTH, such as 256x192")
    return int(parts[0]), int(parts[1])


def check_new(path: Path, option: str, *, force: bool | None = None) -> None:
    """InputError unless `path` may become a file: it is new or, with `force`, a regular file. force: of --force, None
    where the command has no such option."""
    check_writable(path)
    if path.exists() and not force:
        raise InputError(f"{path}: exists already; give {option} another{'' if force is None else ', or --force'}")


def check_new_folder(path: Path, option: str) -> None:
    """InputError unless `path` may become a folder of results: it is new or empty, and can be written to."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{option} {path}: exists already; give a new folder")
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written ({error.strerror}); give another folder") from None


def set_threads(threads: int | None) -> None:
    """torch's CPU threads in this process; None leaves them as they are."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 cell", "2 cells"; `plural` where it is irregular."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def print_rows(
    rows: Iterable[Any], columns: Iterable[str] | None, format: str, caption: str = "", *, wide: bool = False
) -> None:
    """Rows on standard output: in a format for programs, or as a table with a caption that fits the terminal.

    What finds no room in the table is named below it; `wide` shows all, however wide that is.
    """
    from rich.console import Console
    from rich.text import Text

    from ..reports.tables import fit_rows, render_rows

    rows, columns = list(rows), list(columns) if columns else None
    if format != "table" or wide:
        rendered = render_rows(rows, columns, format)
        if isinstance(rendered, str):
            print(rendered, end="" if rendered.endswith("\n") else "\n")
            return
        common, left_out = "", []
        console = Console(highlight=False, width=10_000)
    else:
        console = Console(highlight=False)
        common, rendered, left_out = fit_rows(rows, columns, console.width)
    if common:
        console.print(Text(common, "bold"), soft_wrap=True)
    console.print(rendered)
    if left_out:
        text = f"No room for {', '.join(left_out)}: --wide or --format csv shows all."
        console.print(Text(text, "dim"), soft_wrap=True)
    if caption:
        console.print(Text(caption, "dim"), soft_wrap=True)


def print_json(content: Any) -> None:
    """Content for programs on standard output; null for what is missing, as JSON has no NaN."""
    from ..reports.tables import plain

    print(json.dumps(plain(content), indent=1))


def progress_bar(quiet: bool = False) -> Progress:
    """A progress bar on standard error, so that results on standard output stay clean; `quiet` shows none."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),  # a path with square brackets is no markup
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[info]}"),
        console=Console(stderr=True),
        disable=quiet,
    )


class Bar:
    """A `progress(done, total, **info)` callable that draws a bar, from its first call to the end of the context."""

    def __init__(self, description: str, quiet: bool = False):
        self.description = description
        self.progress = progress_bar(quiet)

    def __enter__(self) -> Bar:
        self.task = self.progress.add_task(self.description, total=None, info="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress.live.is_started:
            self.progress.stop()

    def __call__(self, done: int, total: int, **info: Any) -> None:
        self.progress.start()
        stage = info.pop("stage", None)
        shown = {k: v for k, v in info.items() if k in ("epoch", "loss", "accuracy")}
        text = "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
        description = f"{self.description}: {stage}" if stage else self.description
        self.progress.update(self.task, completed=done, total=total, info=text, description=description)
