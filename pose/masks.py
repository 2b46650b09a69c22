"""Token masks: which visual tokens go on into the transformer.

A mask is a pure function from `MaskInput` to the kept indices, (B, K) int64, ascending. K depends on the mask ratio
alone, so that every sample of a batch keeps as many. A new mask is one function and one line in `MASKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .errors import InputError


@dataclass(frozen=True)
class MaskInput:
    """What a mask may look at.

    tokens: (B, N, d) visual tokens, their own position included.
    content: (B, N, d) the same without position.
    keep: K, how many tokens stay.
    keypoint_attention: () -> (B, J, N), attention of each keypoint token over the visual tokens.
    score: () -> (B, N), logits of the model's linear scorer.
    noise: (columns) -> (B, columns) uniform in [0, 1), fresh in training, fixed per sample at evaluation.
    """

    tokens: torch.Tensor
    content: torch.Tensor
    keep: int
    keypoint_attention: Callable[[], torch.Tensor]
    score: Callable[[], torch.Tensor]
    noise: Callable[[int], torch.Tensor]

    @property
    def batch(self) -> int:
        return self.tokens.shape[0]

    @property
    def total(self) -> int:
        return self.tokens.shape[1]


def kept_tokens(total: int, ratio: float) -> int:
    """Number of tokens kept of `total` at mask ratio `ratio` in [0, 1): max(1, floor((1 - r) N + 1e-6))."""
    return max(1, int((1 - ratio) * total + 1e-6))


def highest(scores: torch.Tensor, keep: int) -> torch.Tensor:
    """Indices of the `keep` highest of (B, N) scores, ties to the lower index, ascending: (B, K)."""
    order = scores.sort(dim=1, descending=True, stable=True).indices
    return order[:, :keep].sort(dim=1).values


def random(m: MaskInput) -> torch.Tensor:
    """A uniformly random subset per sample (TMPose, "random mask")."""
    return highest(m.noise(m.total), m.keep)


def uniform(m: MaskInput) -> torch.Tensor:
    """An even subset of the sequence, the same for all samples: floor(linspace(0, N - 1, K))."""
    steps = max(m.keep - 1, 1)
    index = torch.arange(m.keep, device=m.tokens.device) * (m.total - 1)
    return torch.div(index, steps, rounding_mode="floor").expand(m.batch, -1)


def block(m: MaskInput) -> torch.Tensor:
    """Four zones, equal runs of the sequence; in each one contiguous run is kept, at a random place (K in all)."""
    zones = 4
    device = m.tokens.device
    place = m.noise(zones)
    runs = []
    for zone in range(zones):
        start, stop = zone * m.total // zones, (zone + 1) * m.total // zones
        length = (zone + 1) * m.keep // zones - zone * m.keep // zones
        offset = (place[:, zone, None] * (stop - start - length + 1)).long()
        runs.append(start + offset + torch.arange(length, device=device))
    return torch.cat(runs, dim=1)


def first(m: MaskInput) -> torch.Tensor:
    """The first K tokens: what TMPose's code does under the name "block" (the top rows of the crop)."""
    return torch.arange(m.keep, device=m.tokens.device).expand(m.batch, -1)


def semantic(m: MaskInput) -> torch.Tensor:
    """By content: the tokens that some keypoint token attends to most.

    A token's score is its maximum over the keypoints, so that each joint keeps its own evidence. No gradient.
    """
    return highest(m.keypoint_attention().amax(dim=1), m.keep)


def scorer(m: MaskInput) -> torch.Tensor:
    """By a linear scorer trained to tell the tokens that hold a joint (binary cross-entropy on the target)."""
    return highest(m.score().detach(), m.keep)


def norm(m: MaskInput) -> torch.Tensor:
    """By the distance of a token's content from the mean token of its image; no parameters."""
    content = m.content.detach()
    return highest((content - content.mean(dim=1, keepdim=True)).square().sum(dim=2), m.keep)


MASKS: dict[str, Callable[[MaskInput], torch.Tensor] | None] = {
    "none": None,
    "random": random,
    "uniform": uniform,
    "block": block,
    "semantic": semantic,
    "scorer": scorer,
    "norm": norm,
    "first": first,
}


def check_ratio(ratio: float) -> float:
    """Return the mask ratio as a float; InputError unless it is a number in [0, 1)."""
    try:
        value = float(ratio)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value < 1:
        raise InputError(f"mask ratio {ratio!r}: give a number from 0 (keep all) to below 1, such as 0.4")
    return value


def evaluation_noise(sample_ids: torch.Tensor, columns: int, seed: int) -> torch.Tensor:
    """(B, columns) uniform numbers in [0, 1) that depend on the seed and each sample's id alone.

    A counter-based generator (the finaliser of splitmix64 on id, column and seed), so that a result repeats whatever
    the batch size, order or device.
    """
    column = torch.arange(columns, device=sample_ids.device)
    state = _mix(sample_ids.long()[:, None] * 0x632BE59BD9B4E019 + _int64(seed * 0x2545F4914F6CDD1D + 1))
    state = _mix(state + (column + 1) * -0x61C8864680B583EB)
    return (state >> 40 & 0xFFFFFF).to(torch.float32) / (1 << 24)


def _int64(number: int) -> int:
    """The signed 64-bit integer that `number` is modulo 2^64, as a tensor wraps."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = (x ^ (x >> 30 & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ (x >> 27 & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ (x >> 31 & 0x1FFFFFFFF)
