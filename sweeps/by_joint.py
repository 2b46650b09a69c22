"""Keypoint similarity of each joint, from the evidence that the cells' evaluations left: by_joint.csv."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from ..pose.files import write_atomic
from ..pose.keypoints import Skeleton
from ..reports.analysis.parts import BY_JOINT, JOINT_COLUMNS
from .plan import Plan
from .results import read_evidence
from .store import SweepStore


def write_by_joint(store: SweepStore, plan: Plan) -> Path | None:
    """One line per cell and joint that is annotated in anybody; None where no cell left evidence of joints: with PCKh,
    whose rows have it by joint, or of evaluations that did not keep it yet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(JOINT_COLUMNS)
    found = False
    for cell in plan.cells:
        if not cell.evaluates or cell.is_elastic or not store.is_done(cell.key):
            continue
        evidence = read_evidence(store, cell.key)
        if "joint_people" not in evidence:
            continue
        skeleton = cell.model.skeleton
        people = evidence["joint_people"].sum(axis=0, dtype=int)
        sums = evidence["joint_similarity"].sum(axis=0, dtype=float)
        for joint, part, number, total in zip(skeleton.keypoints, parts_of(skeleton), people, sums, strict=True):
            if number:
                writer.writerow([cell.key, joint, part, number, repr(float(total / number))])
                found = True
    if not found:
        return None
    write_atomic(store.root / BY_JOINT, text.getvalue().encode())
    return store.root / BY_JOINT


def parts_of(skeleton: Skeleton) -> list[str]:
    """What each joint is called together with its mirrored one: "shoulder", or "lsho, rsho" without a common name."""
    parts = list(skeleton.keypoints)
    for pair in skeleton.flip_pairs:
        names = [skeleton.keypoints[joint] for joint in pair]
        left, right = (re.sub("left|right", "", name.lower()).strip("_- ") for name in names)
        for joint in pair:
            parts[joint] = left if left == right != "" else ", ".join(names)
    return parts
