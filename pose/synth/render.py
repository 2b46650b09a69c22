"""Renders a split's images, in this process or in several, and hands back what an annotation file needs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import cv2

from ..errors import ProcessLost
from .plan import image_rng
from .scene import Person, render_scene

JPEG_QUALITY = 92
CHUNK = 40  # images per task
WORTH_A_PROCESS = 300  # images: below, starting processes takes longer than rendering


@dataclass(frozen=True)
class RenderedImage:
    file: str  # relative to the data folder
    width: int
    height: int
    people: list[Person]


@dataclass(frozen=True)
class Task:
    """A run of images of one split: numbers `first`, `first` + 1, ... with `counts` people each."""

    folder: Path
    files: tuple[str, ...]
    seed: int
    split: str
    first: int
    counts: tuple[int, ...]


def render_task(task: Task) -> list[RenderedImage]:
    """Render and write a task's images."""
    images = []
    for offset, (file, count) in enumerate(zip(task.files, task.counts, strict=True)):
        scene = render_scene(image_rng(task.seed, task.split, task.first + offset), count)
        ok, data = cv2.imencode(".jpg", scene.image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
        if not ok:
            raise RuntimeError(f"OpenCV could not encode {file}")
        (task.folder / file).write_bytes(data.tobytes())
        height, width = scene.image.shape[:2]
        images.append(RenderedImage(file, width, height, scene.people))
    return images


def render_all(tasks: list[Task], jobs: int, progress: Callable[..., None] | None = None) -> list[list[RenderedImage]]:
    """Render all tasks; the result is in their order. `progress(done, total)` counts people. ProcessLost where one of
    several processes is killed."""
    total = sum(sum(task.counts) for task in tasks)
    results: list[list[RenderedImage]] = [[] for _ in tasks]
    done = 0
    for position, images in _results(tasks, jobs):
        results[position] = images
        done += sum(len(image.people) for image in images)
        if progress is not None:
            progress(done, total)
    return results


def _results(tasks: list[Task], jobs: int) -> Iterator[tuple[int, list[RenderedImage]]]:
    if jobs == 1:
        for position, task in enumerate(tasks):
            yield position, render_task(task)
        return
    # Fresh interpreters: a fork of a process that holds torch's or OpenCV's threads may hang.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker)
    try:
        positions = {executor.submit(render_task, task): position for position, task in enumerate(tasks)}
        for future in as_completed(positions):
            yield positions[future], future.result()
    except BrokenProcessPool:
        raise ProcessLost("a rendering process ended (out of memory?); give fewer --jobs") from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def default_jobs(images: int) -> int:
    """The usable cores, or one where the work is too small to share."""
    if images < WORTH_A_PROCESS:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    """One thread each; Ctrl-C is the parent's business; and nobody works on for a parent that was killed."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
