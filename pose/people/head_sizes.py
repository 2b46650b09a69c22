"""gt_valid.mat: what MPII's score needs beside the annotations, sizes of heads above all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .matlab import read_matlab
from .mpii import read_entries

HEAD_FACTOR = 0.6


@dataclass(frozen=True)
class HeadSizes:
    """The contents of gt_valid.mat that PCKh needs, in the order of valid.json: joints (n, 16, 2) in 0-based px,
    annotated (n, 16) bool, size (n,) px: 0.6 times the diagonal of the head box [Andriluka et al., CVPR 2014]."""

    joints: np.ndarray
    annotated: np.ndarray
    size: np.ndarray


def read_head_sizes(path: Path, annotations: Path | None = None) -> HeadSizes:
    """Read a gt_valid.mat. Raises InputError naming the file and what is wrong with it; where the file `annotations` is
    given, also that it speaks of another number of people."""
    content = read_matlab(path, ("jnt_missing", "pos_gt_src", "headboxes_src"))
    missing, joints = _array(path, content, "jnt_missing", 2), _array(path, content, "pos_gt_src", 3)
    heads = _array(path, content, "headboxes_src", 3)
    people = missing.shape[1]
    wanted = {"jnt_missing": (16, people), "pos_gt_src": (16, 2, people), "headboxes_src": (2, 2, people)}
    for name, array in (("jnt_missing", missing), ("pos_gt_src", joints), ("headboxes_src", heads)):
        if array.shape != wanted[name]:
            raise InputError(f"{path}: {name!r} must have the shape {wanted[name]}, found {array.shape}")
    size = HEAD_FACTOR * np.linalg.norm(heads[1] - heads[0], axis=0)
    if not (size > 0).all():
        raise InputError(f"{path}: the head box of person {int(np.argmin(size > 0))} has no extent")
    if annotations is not None and (entries := len(read_entries(annotations))) != people:
        raise InputError(f"{path}: holds {people} people, but {annotations} has {entries}")
    return HeadSizes(joints.transpose(2, 0, 1) - 1, missing.T == 0, size)


def _array(path: Path, content: dict, name: str, dimensions: int) -> np.ndarray:
    if name not in content:
        raise InputError(f"{path}: has no {name!r}; PCKh needs jnt_missing, pos_gt_src and headboxes_src")
    array = content[name]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise InputError(f"{path}: {name!r} must be an array of numbers")
    array = array.astype(np.float64)
    if array.ndim == dimensions - 1:  # MATLAB drops a last dimension of 1
        array = array[..., None]
    if array.ndim != dimensions or not np.isfinite(array).all():
        raise InputError(f"{path}: {name!r} must be {dimensions} dimensions of finite numbers, found {array.shape}")
    return array
