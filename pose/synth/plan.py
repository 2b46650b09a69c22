"""What is to be rendered: the people on each image, decided up front, so that order and processes do not matter."""

from __future__ import annotations

import numpy as np

SPLITS = ("train", "val")
# Shares of images with one, two and three people.
CROWD = (0.80, 0.16, 0.04)
MAX_PEOPLE = 999_999  # per split: ids of the training images start after those of the validation images


def people_per_image(seed: int, split: str, total: int) -> list[int]:
    """Numbers of people (1 to 3) of a split's images, `total` in all; the last image has what is left."""
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    counts = rng.choice((1, 2, 3), size=total, p=CROWD).tolist()
    plan: list[int] = []
    left = total
    for count in counts:
        if left <= 0:
            break
        plan.append(min(count, left))
        left -= count
    return plan


def image_rng(seed: int, split: str, index: int) -> np.random.Generator:
    """The randomness of one image, independent of all others."""
    return np.random.default_rng([seed, SPLITS.index(split), index])


def first_id(split: str) -> int:
    """The first image and annotation id; ids are unique over both splits and do not depend on the other's size."""
    return 1 if split == "val" else MAX_PEOPLE + 2
