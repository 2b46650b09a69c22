"""Keypoint similarity of each joint, from the evidence that the cells' evaluations left: by_joint.csv."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..pose.keypoints import Skeleton
from ..reports.analysis.parts import BY_JOINT, JOINT_COLUMNS, write_by_part
from .config import CellConfig
from .results import read_evidence
from .store import SweepStore


def write_by_joint(store: SweepStore, cells: Iterable[CellConfig]) -> Path | None:
    """One line per cell and joint that is annotated in anybody; None where no cell left evidence of joints: with PCKh,
    whose rows have it by joint, or of evaluations that did not keep it yet."""
    lines = []
    for cell in cells:
        if not cell.evaluates or cell.is_elastic or not store.is_done(cell.key):
            continue
        evidence = read_evidence(store, cell.key)
        skeleton = cell.model.skeleton
        both = [evidence.get(name, np.zeros(0)) for name in ("joint_people", "joint_similarity")]
        if any(array.shape[1:] != (skeleton.num_keypoints,) for array in both):
            continue
        people, sums = (array.sum(axis=0, dtype=float) for array in both)
        for joint, part, number, total in zip(skeleton.keypoints, parts_of(skeleton), people, sums, strict=True):
            if number:
                lines.append([cell.key, joint, part, int(number), repr(float(total / number))])
    return write_by_part(store.root / BY_JOINT, JOINT_COLUMNS, lines)


def parts_of(skeleton: Skeleton) -> list[str]:
    """What each joint is called together with its mirrored one: "shoulder", or "lsho, rsho" without a common name."""
    parts = list(skeleton.keypoints)
    for pair in skeleton.flip_pairs:
        names = [skeleton.keypoints[joint] for joint in pair]
        left, right = (re.sub("left|right", "", name.lower()).strip("_- ") for name in names)
        for joint in pair:
            parts[joint] = left if left == right != "" else ", ".join(names)
    return parts
