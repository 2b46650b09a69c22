"""A cell's accuracy by part: over the third of the images whose people are small, middle and big (by_size.csv), and
the keypoint similarity of each joint (by_joint.csv)."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...pose.errors import InputError
from ...pose.files import write_atomic
from .results import LARGEST

BY_SIZE, BY_JOINT = "by_size.csv", "by_joint.csv"
SIZE_COLUMNS = ("cell", "size", "from_px", "to_px", "images", "score")
#: part: what a left and a right joint are together; people: in whom the joint is annotated; similarity: 0 to 1
JOINT_COLUMNS = ("cell", "joint", "part", "people", "similarity")


@dataclass(frozen=True)
class Parts:
    """scores: by cell, then by part; about: what each part is of: its range of the people's roots of area in px, or how
    many of its joints are annotated."""

    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)


def write_by_part(path: Path, columns: Sequence[str], lines: Sequence[Sequence[object]]) -> Path | None:
    """Write lines under SIZE_COLUMNS or JOINT_COLUMNS, whole or not at all; no file and None without any."""
    if not lines:
        return None
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([columns, *lines])
    write_atomic(path, text.getvalue())
    return path


def read_by_size(path: Path) -> Parts:
    """Nothing where there is no file; InputError for a broken one."""

    def parts(rows: list[dict[str, str]]) -> Parts:
        scores: dict[str, dict[str, float]] = defaultdict(dict)
        about = {}
        for row in rows:
            scores[row["cell"]][row["size"]] = _score(row["score"])
            about[row["size"]] = f"{int(row['from_px'])} to {int(row['to_px'])} px"
        return Parts(scores, about)

    return _read(path, parts)


def read_by_joint(path: Path) -> Parts:
    """As `read_by_size`; a left and a right joint as one part, each by its people."""

    def parts(rows: list[dict[str, str]]) -> Parts:
        found: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            found[row["cell"]][row["part"]].append((int(row["people"]), _score(row["similarity"])))
        scores, about = {}, {}
        for cell, own in found.items():
            scores[cell] = {part: _mean(joints) for part, joints in own.items()}
            about |= {part: str(sum(people for people, _ in joints)) for part, joints in own.items()}
        return Parts(scores, about)

    return _read(path, parts)


def _score(text: str) -> float:
    score = float(text)
    if abs(score) > LARGEST:
        raise ValueError(f"{text!r} is no score")
    return score


def _mean(joints: list[tuple[int, float]]) -> float:
    return math.fsum(people * value for people, value in joints) / sum(people for people, _ in joints)


def _read(path: Path, parts: Callable[[list[dict[str, str]]], Parts]) -> Parts:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return parts(list(csv.DictReader(file)))
    except FileNotFoundError:
        return Parts()
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, OverflowError, csv.Error) as error:
        raise InputError(f"{path}: does not hold what a sweep writes ({error})") from None
