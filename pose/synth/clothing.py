"""How a figure looks: skin, hair, garments and their colours (blue, green, red)."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from .canvas import Colour

SKIN = ((186, 209, 243), (160, 190, 232), (130, 165, 215), (105, 140, 195), (75, 108, 160), (50, 75, 115), (40, 58, 88))
HAIR = ((25, 25, 30), (30, 45, 70), (45, 75, 120), (90, 140, 185), (140, 190, 220), (160, 160, 165), (35, 60, 140))
CLOTH = (
    (40, 40, 42), (230, 230, 232), (140, 140, 142), (120, 80, 45), (85, 55, 35), (60, 60, 170), (70, 120, 60),
    (150, 110, 70), (90, 120, 150), (60, 90, 120),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    skin: Colour
    hair: Colour
    hair_style: str  # short, long, bun, bald, cap
    beard: bool
    top: Colour
    trim: Colour  # second colour of the top: stripes, print, or what shows below an open jacket
    pattern: str  # plain, stripes, print, jacket
    sleeve: str  # none, short, long
    bottom: Colour
    legwear: str  # trousers, shorts, skirt, dress
    shoe: Colour
    bag: Colour | None


def vivid(rng: np.random.Generator) -> Colour:
    """A cloth colour: half of them everyday ones, half of any hue."""
    if rng.random() < 0.5:
        base = CLOTH[int(rng.integers(len(CLOTH)))]
    else:
        red, green, blue = colorsys.hsv_to_rgb(rng.random(), 0.35 + 0.6 * rng.random(), 0.3 + 0.65 * rng.random())
        base = (blue * 255, green * 255, red * 255)
    return jitter(rng, base)


def jitter(rng: np.random.Generator, colour: Colour, spread: float = 10.0) -> Colour:
    blue, green, red = (value + change for value, change in zip(colour, rng.normal(0, spread, 3).tolist(), strict=True))
    return min(max(blue, 0.0), 255.0), min(max(green, 0.0), 255.0), min(max(red, 0.0), 255.0)


def sample_skin(rng: np.random.Generator) -> Colour:
    return jitter(rng, SKIN[int(rng.integers(len(SKIN)))], 6.0)


def _pick(rng: np.random.Generator, options: tuple[tuple[str, float], ...]) -> str:
    draw = rng.random()
    for name, share in options:
        draw -= share
        if draw < 0:
            return name
    return options[-1][0]


def sample_look(rng: np.random.Generator) -> Look:
    hair_style = _pick(rng, (("short", 0.45), ("long", 0.26), ("bun", 0.1), ("bald", 0.04), ("cap", 0.15)))
    legwear = _pick(rng, (("trousers", 0.58), ("shorts", 0.24), ("skirt", 0.09), ("dress", 0.09)))
    top = vivid(rng)
    return Look(
        skin=sample_skin(rng),
        hair=jitter(rng, HAIR[int(rng.integers(len(HAIR)))], 6.0),
        hair_style=hair_style,
        beard=hair_style not in ("long", "bun") and rng.random() < 0.15,
        top=top,
        trim=vivid(rng),
        pattern=_pick(rng, (("plain", 0.3), ("stripes", 0.22), ("print", 0.28), ("jacket", 0.2))),
        sleeve=_pick(rng, (("none", 0.14), ("short", 0.46), ("long", 0.4))),
        bottom=top if legwear == "dress" else vivid(rng),
        legwear=legwear,
        shoe=vivid(rng),
        bag=vivid(rng) if rng.random() < 0.1 else None,
    )
