"""Writes a whole synthetic data folder, or nothing."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ..datasets.registry import DATASETS, DEFAULT
from ..errors import InputError
from ..lock import file_lock
from .plan import MAX_PEOPLE, SPLITS, people_per_image
from .render import CHUNK, Task, default_jobs, render_all
from .scene import RENDERER_VERSION

LAYOUTS = {name: dataset.synth for name, dataset in DATASETS.items() if dataset.synth}


def write_synthetic(
    out: str | os.PathLike[str],
    *,
    train: int = 6000,
    val: int = 1000,
    seed: int = 0,
    layout: str = DEFAULT,
    jobs: int | None = None,
    progress: Callable[..., None] | None = None,
) -> None:
    """Render `train` + `val` annotated people into the new folder `out`, laid out as COCO or as MPII.

    The same seed gives the same bytes, with any number of processes (`jobs`; default: the usable cores) and, as far as
    OpenCV's and numpy's releases draw alike, on any machine. A split's content does not depend on the other's size.
    `progress(done, total)` counts people. The folder appears whole at the end; a run that is killed leaves at most a
    hidden sibling `.<name>.part`, which the next one removes. Several processes are started afresh ("spawn"), so a
    script that calls this needs the usual `if __name__ == "__main__":`.

    Raises InputError: for an unknown layout, a number out of range, or an `out` that exists and is not empty;
    ProcessLost where a process is killed.
    """
    _check(train=train, val=val, seed=seed, layout=layout, jobs=jobs)
    out = Path(os.path.abspath(Path(out).expanduser()))
    _check_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(out.parent / f".{out.name}.lock", wait=False):
            _check_free(out)
            part = out.parent / f".{out.name}.part"
            shutil.rmtree(part, ignore_errors=True)  # what a killed run left; the lock says that nobody writes there
            try:
                part.mkdir()
                _fill(part, {"train": train, "val": val}, seed, layout, jobs, progress)
                if out.is_dir():
                    out.rmdir()
                part.rename(out)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except BlockingIOError as error:
        raise InputError(
            f"{out}: another process is writing this data set; wait for it or name another folder"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{out}: cannot write a data set there ({reason}); name a folder on a writable disk"
        ) from error


def _check(*, train: int, val: int, seed: int, layout: str, jobs: int | None) -> None:
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    for name, count in (("train", train), ("val", val)):
        if not 0 <= count <= MAX_PEOPLE:
            raise InputError(f"{name} is {count}; give a number of people from 0 to {MAX_PEOPLE}")
    if train + val == 0:
        raise InputError("train and val are both 0; ask for at least one person")
    if seed < 0:
        raise InputError(f"seed is {seed}; give 0 or a positive integer")
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs is {jobs}; give 1 or more processes")


def _check_free(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out} exists and is not a folder; name a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and nothing is overwritten; name a new folder, or remove this one first")


def _fill(
    folder: Path,
    people: dict[str, int],
    seed: int,
    layout: str,
    jobs: int | None,
    progress: Callable[..., None] | None,
) -> None:
    writer = importlib.import_module(LAYOUTS[layout])
    tasks: list[Task] = []
    for split in SPLITS:
        plan = people_per_image(seed, split, people[split])
        for first in range(0, len(plan), CHUNK):
            counts = tuple(plan[first : first + CHUNK])
            files = tuple(writer.image_file(split, first + offset) for offset in range(len(counts)))
            (folder / files[0]).parent.mkdir(parents=True, exist_ok=True)
            tasks.append(Task(folder, files, seed, split, first, counts))
    images = sum(len(task.counts) for task in tasks)
    results = render_all(tasks, min(jobs or default_jobs(images), len(tasks)), progress)
    for split in SPLITS:
        if not people[split]:
            continue
        rendered = [image for task, done in zip(tasks, results, strict=True) if task.split == split for image in done]
        info = {
            "description": "Synthetic people, drawn by posebench; no real person or place is shown",
            "version": str(RENDERER_VERSION),
            "renderer_version": RENDERER_VERSION,
            "seed": seed,
            "split": split,
            "people": people[split],
            "images": len(rendered),
        }
        writer.write_annotations(folder, split, rendered, seed, info)
