"""What a check of a data folder finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Problem:
    """`severity` is "error" (work on this folder stops there) or "warning" (it goes on, with less or with doubt)."""

    severity: str
    file: Path
    what: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.file}: {self.what}"


@dataclass(frozen=True)
class SplitSummary:
    """Counts of one split: images listed, people that can be trained on or scored, and their labelled keypoints."""

    split: str
    annotation_file: Path
    images: int
    people: int
    keypoints: int


@dataclass(frozen=True)
class Entry:
    """What an annotation file says about an image, to be compared with the image.

    `size` (width, height) in px, if the file gives it; `points` (n, 2) px, 0-based, that should lie inside, called
    `label` in messages.
    """

    image_path: Path
    annotation_file: Path
    label: str
    size: tuple[int, int] | None = None
    points: np.ndarray | None = None

    def compare(self, size: tuple[int, int]) -> list[Problem]:
        """Problems of this entry, given the image's true (width, height)."""
        problems = []
        if self.size is not None and self.size != size:
            stated, true = (f"{width} x {height}" for width, height in (self.size, size))
            what = f"the image is {true} px, {self.annotation_file.name} says {stated}"
            problems.append(error(self.image_path, what))
        if self.points is not None:
            count = count_outside(self.points, size)
            if count:
                problems.append(
                    warning(self.annotation_file, f"{self.label}: {count} labelled keypoints lie outside the image")
                )
        return problems


@dataclass
class FolderCheck:
    """`problems` in the order of the files; `splits` counts what can be used; `layout` is the data set's name, None if
    unrecognisable."""

    layout: str | None
    folder: Path
    problems: list[Problem] = field(default_factory=list)
    splits: list[SplitSummary] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """No errors; there may be warnings."""
        return not any(problem.severity == "error" for problem in self.problems)

    def add_error(self, file: Path, what: str) -> None:
        """A fault of a file; a message that begins with its name says it once."""
        self.problems.append(error(file, what.removeprefix(f"{file}: ")))

    def report_missing(self, paths: list[Path]) -> None:
        """Of the annotation files that there should be those that are not there: an error if that is all of them."""
        missing = [path for path in paths if not path.is_file()]
        for path in missing:
            if len(missing) == len(paths):
                self.problems.append(error(path, "the annotation file is missing"))
            else:
                self.problems.append(warning(path, "the annotation file is missing; this split cannot be used"))


def error(file: Path, what: str) -> Problem:
    """A problem that stops work on the folder."""
    return Problem("error", file, what)


def warning(file: Path, what: str) -> Problem:
    """A problem that does not."""
    return Problem("warning", file, what)


def count_outside(points: np.ndarray, size: tuple[int, int]) -> int:
    """How many of `points` (n, 2), 0-based px, lie more than a pixel outside an image of `size` (width, height)."""
    return int(np.any((points < -1) | (points > np.array(size)), axis=1).sum())
