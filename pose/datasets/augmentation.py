"""How strongly training samples are varied, as numbers (applied by crops/augment.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Augmentation:
    """`flip` and `half_body` are probabilities; `scale` is the standard deviation of the relative size (clipped there);
    `rotation` the standard deviation in degrees (clipped at twice that). Half a body is taken from people with at
    least `half_body_min` visible joints."""

    flip: float = 0.5
    scale: float = 0.35
    rotation: float = 45.0
    half_body: float = 0.3
    half_body_min: int = 9
