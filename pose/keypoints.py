"""A skeleton: what the keypoints of a data set are called, and how they belong together (0-based indices)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skeleton:
    """A keypoint format.

    `flip_pairs` are (left, right) indices that a mirror swaps; `limbs` are adjacent joints; `upper_body` is what
    half-body augmentation calls the upper half; `oks_sigmas` are the per-keypoint constants of object keypoint
    similarity (None where the metric needs none).
    """

    keypoints: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...] = ()
    limbs: tuple[tuple[int, int], ...] = ()
    upper_body: tuple[int, ...] = ()
    oks_sigmas: tuple[float, ...] | None = None

    @property
    def num_keypoints(self) -> int:
        return len(self.keypoints)

    @property
    def mirror_order(self) -> list[int]:
        """For each keypoint the index of the one that a mirror puts in its place."""
        order = list(range(self.num_keypoints))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order
