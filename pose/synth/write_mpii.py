"""The MPII layout: one image folder, annotations in the HRNet family's JSON, and gt_valid.mat for PCKh."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import scipy.io

from ..datasets.mpii import SKELETON as MPII
from ..files import write_atomic
from .plan import first_id
from .render import RenderedImage
from .scene import Person

FILES = {"train": "train", "val": "valid"}
# MPII's short names, in the order of its keypoints.
MAT_JOINTS = (
    "rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor", "neck", "head", "rwri", "relb", "rsho",
    "lsho", "lelb", "lwri",
)  # fmt: skip


def image_file(split: str, index: int) -> str:
    return f"images/{first_id(split) + index:09d}.jpg"


def entry(file: str, person: Person) -> dict:
    """One person as MPII gives it: pixels counted from 1, a centre above the middle, a scale of height / 200.

    Readers of this format move the centre down by 15 * scale and pad by 1.25; the centre is chosen so that this ends
    in the middle of the silhouette's box.
    """
    x, y, w, h = person.box
    scale = max(w, h) / 200
    seen = person.joints[:, 2] > 0
    joints = np.where(seen[:, None], person.joints[:, :2] + 1, -1.0)
    return {
        "image": Path(file).name,
        "center": [round(x + (w - 1) / 2 + 1, 3), round(y + (h - 1) / 2 + 1 - 15 * scale, 3)],
        "scale": round(scale, 6),
        "joints": joints.round(2).tolist(),
        "joints_vis": seen.astype(int).tolist(),
    }


def write_annotations(folder: Path, split: str, images: list[RenderedImage], seed: int, info: dict) -> None:
    """annot/train.json or annot/valid.json with annot/gt_valid.mat; annot/info.json says what this set is."""
    people = [(image.file, person) for image in images for person in image.people]
    entries = [entry(file, person) for file, person in people]
    write_atomic(folder / f"annot/{FILES[split]}.json", json.dumps(entries, separators=(",", ":")))
    if split == "val":
        write_atomic(folder / "annot/gt_valid.mat", ground_truth_mat([person for _, person in people]))
    write_atomic(folder / "annot/info.json", json.dumps(info, indent=1) + "\n")


def ground_truth_mat(people: list[Person]) -> bytes:
    """MPII's ground truth for PCKh, counting from 1: joints (16, 2, n), missing (16, n), heads (2 corners, 2, n)."""
    names = np.empty((1, MPII.num_keypoints), object)
    names[0] = MAT_JOINTS
    joints = np.stack([person.joints for person in people], axis=2)
    seen = joints[:, 2] > 0
    buffer = io.BytesIO()
    scipy.io.savemat(
        buffer,
        {
            "dataset_joints": names,
            "jnt_missing": (~seen).astype(np.uint8),
            "pos_gt_src": np.where(seen[:, None], joints[:, :2] + 1, -1.0),
            "headboxes_src": np.stack([np.reshape(person.head_box, (2, 2)) for person in people], axis=2) + 1,
        },
    )
    # The first 116 bytes are free text, in which scipy puts the time of day: the same seed shall give the same file.
    return b"MATLAB 5.0 MAT-file, synthetic figures".ljust(116) + buffer.getvalue()[116:]
