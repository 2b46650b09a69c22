"""AP by the size of people: COCO's medium and large, or where a data set has few of either, thirds of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..crops.person import DataSplit
from .coco_metrics import evidence_by_area, read_ground_truth

#: annotated areas in px^2, both ends included, as pycocotools has them
COCO_SIZES = {"medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
FEWEST = 10  # people, below which COCO's sizes say nothing of a data set
OWN_SIZES = ("small", "middle", "big")


@dataclass(frozen=True)
class SizeGroup:
    """People of one size. area: px^2, from and to."""

    name: str
    area: tuple[float, float]
    people: int


def size_groups(areas: Sequence[float]) -> list[SizeGroup]:
    """The groups of annotated areas in px^2: COCO's two, if each has FEWEST people, else thirds."""
    ordered = np.sort(np.asarray(areas, dtype=np.float64))
    groups = [_group(name, limits, ordered) for name, limits in COCO_SIZES.items()]
    if all(group.people >= FEWEST for group in groups) or len(np.unique(ordered)) < len(OWN_SIZES):
        return [group for group in groups if group.people]
    cuts = [ordered[len(ordered) * third // 3 - 1 : len(ordered) * third // 3 + 1].mean() for third in (1, 2)]
    limits = zip((0.0, *cuts), (*cuts, 1e10), strict=True)
    return [_group(name, pair, ordered) for name, pair in zip(OWN_SIZES, limits, strict=True)]


def _group(name: str, area: tuple[float, float], areas: np.ndarray) -> SizeGroup:
    return SizeGroup(name, area, int(((areas >= area[0]) & (areas <= area[1])).sum()))


def evidence_by_size(
    data: DataSplit, predictions: Sequence[list[dict[str, Any]]]
) -> list[tuple[SizeGroup, list[dict[str, np.ndarray]]]]:
    """Each group of a split's people with the evidence of AP of each of several submissions."""
    truth = read_ground_truth(data.annotation_file, data.dataset)
    counted = [one["area"] for one in truth["annotations"] if not one["iscrowd"] and one["num_keypoints"]]
    groups = size_groups(counted)
    sigmas = data.dataset.skeleton.oks_sigmas or ()
    ranges = [group.area for group in groups]
    found = [evidence_by_area(truth, list(results), sigmas, ranges) for results in predictions]
    return [(group, [evidence[number] for evidence in found]) for number, group in enumerate(groups)]


def size_text(group: SizeGroup) -> str:
    """Such as "medium 32-96": roots of the areas, px."""
    low, high = (math.sqrt(value) for value in group.area)
    return f"{group.name} " + (f">{low:.0f}" if high >= 1e5 else f"{low:.0f}-{high:.0f}")
