"""Draws a clothed figure, its parts sorted from far to near."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .body import INDEX
from .canvas import CIRCLE, Canvas, shade
from .figure import PART, PARTS_PER_FIGURE, Figure
from .head import draw_head

_ANGLES = 2 * np.pi * np.arange(10) / 10
_RING = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)

# Radii of limbs in stature units: at their start and their end.
_RADII = {
    "upper_arm": (0.029, 0.024), "forearm": (0.024, 0.017), "thigh": (0.048, 0.035), "shin": (0.034, 0.022),
    "foot": (0.022, 0.016),
}  # fmt: skip


def draw_figure(canvas: Canvas, figure: Figure, index: int) -> None:
    """Draw figure number `index` onto the canvas and into its ownership map."""
    pixels = figure.pixels.tolist()
    base = 1 + PARTS_PER_FIGURE * index
    depth = figure.body.points[:, 2].tolist()
    steps: list[tuple[float, Callable[[], None]]] = []
    for side in ("left", "right"):
        steps += _arm_steps(canvas, figure, pixels, base, side)
        steps += _leg_steps(canvas, figure, pixels, base, side)
    trunk = 0.5 * (depth[INDEX["waist"]] + depth[INDEX["thorax"]])
    head = depth[INDEX["head"]]
    steps.append((min(head, trunk) - 0.02, lambda: _draw_neck(canvas, figure, pixels, base)))
    steps.append((trunk, lambda: _draw_trunk(canvas, figure, pixels, base)))
    steps.append((max(head, trunk + 0.01) if head > trunk - 0.06 else head, lambda: draw_head(canvas, figure, base)))
    if figure.look.legwear in ("skirt", "dress"):
        thighs = [0.5 * (depth[INDEX[f"{side}_hip"]] + depth[INDEX[f"{side}_knee"]]) for side in ("left", "right")]
        steps.append((max(thighs) + 0.001, lambda: _draw_skirt(canvas, figure, pixels, base)))
    if figure.look.bag is not None:
        steps.append((trunk - 0.09 * figure.body.chest_frame[2, 2], lambda: _draw_bag(canvas, figure, base)))
    for _, draw in sorted(steps, key=lambda step: step[0]):
        draw()


def _radii(part: str, figure: Figure, loose: float = 0.0) -> tuple[float, float]:
    start, end = _RADII[part]
    girth = 0.5 + 0.5 * figure.body.build.girth
    return (start * girth + loose) * figure.scale, (end * girth + loose) * figure.scale


def _arm_steps(canvas: Canvas, figure: Figure, pixels: list[complex], base: int, side: str) -> list:
    look, depth = figure.look, figure.body.points[:, 2]
    shoulder, elbow, wrist, hand = (INDEX[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist", "hand"))
    upper_code, fore_code = base + PART[f"{side}_upper_arm"], base + PART[f"{side}_forearm"]
    long = look.sleeve == "long"
    loose = 0.006 if long else 0.0

    def draw_upper() -> None:
        a, b = pixels[shoulder], pixels[elbow]
        ra, rb = _radii("upper_arm", figure, loose)
        canvas.limb(a, ra, b, rb, look.top if long else look.skin, upper_code)
        if look.sleeve == "short":
            cuff = a + 0.55 * (b - a)
            canvas.limb(a, ra + 0.006 * figure.scale, cuff, rb + 0.008 * figure.scale, look.top, upper_code)

    def draw_fore() -> None:
        a, b = pixels[elbow], pixels[wrist]
        ra, rb = _radii("forearm", figure, loose)
        canvas.limb(b, 0.016 * figure.scale, pixels[hand], 0.019 * figure.scale, look.skin, fore_code)
        canvas.limb(a, ra, b, rb, look.top if long else look.skin, fore_code)

    upper_depth = 0.5 * (depth[shoulder] + depth[elbow])
    fore_depth = max(0.5 * (depth[elbow] + depth[hand]), upper_depth - 0.03)
    return [(upper_depth, draw_upper), (fore_depth, draw_fore)]


def _leg_steps(canvas: Canvas, figure: Figure, pixels: list[complex], base: int, side: str) -> list:
    look, depth = figure.look, figure.body.points[:, 2]
    hip, knee, ankle, toe = (INDEX[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle", "toe"))
    thigh_code, shin_code = base + PART[f"{side}_thigh"], base + PART[f"{side}_shin"]
    trousers = look.legwear == "trousers"
    loose = 0.008 if trousers else 0.0

    def draw_thigh() -> None:
        ra, rb = _radii("thigh", figure, loose)
        a, b = pixels[hip], pixels[knee]
        canvas.limb(a, ra, b, rb, look.bottom if trousers else look.skin, thigh_code)
        if look.legwear == "shorts":
            hem = a + 0.6 * (b - a)
            canvas.limb(a, ra + 0.006 * figure.scale, hem, rb + 0.013 * figure.scale, look.bottom, thigh_code)

    def draw_shin() -> None:
        ra, rb = _radii("foot", figure)
        canvas.limb(pixels[ankle], ra, pixels[toe], rb, look.shoe, shin_code)
        ra, rb = _radii("shin", figure, loose)
        canvas.limb(pixels[knee], ra, pixels[ankle], rb, look.bottom if trousers else look.skin, shin_code)

    thigh_depth = 0.5 * (depth[hip] + depth[knee]) - 0.01
    return [(thigh_depth, draw_thigh), (0.5 * (depth[knee] + depth[ankle]), draw_shin)]


def _ring(frame: np.ndarray, centre: np.ndarray, wide: float, deep: float) -> np.ndarray:
    """(10, 3) horizontal ellipse around the trunk."""
    return centre + _RING @ np.stack([frame[:, 0] * wide, frame[:, 2] * deep])


def _draw_neck(canvas: Canvas, figure: Figure, pixels: list[complex], base: int) -> None:
    radius = 0.027 * figure.scale
    a, b = pixels[INDEX["thorax"]], pixels[INDEX["head"]]
    canvas.capsule(a, radius * 1.2, b, radius, shade(figure.look.skin, 0.78), base + PART["neck"])


def _draw_trunk(canvas: Canvas, figure: Figure, pixels: list[complex], base: int) -> None:
    body, look = figure.body, figure.look
    girth, chest, pelvis = body.build.girth, body.chest_frame, body.pelvis_frame
    thorax, waist, centre = body["thorax"], body["waist"], body["pelvis"]
    wide = body.build.shoulder
    waist_ring = _ring(pelvis, waist, 0.068 * girth + 0.01, 0.05 * girth)
    hips = np.vstack([
        waist_ring,
        _ring(pelvis, centre, body.build.hip + 0.032 * girth, 0.055 * girth),
        _ring(pelvis, centre - pelvis[:, 1] * 0.04, 0.055, 0.035),
    ])  # fmt: skip
    shirt = np.vstack([
        _ring(chest, thorax + chest[:, 1] * 0.012, 0.05, 0.028),
        _ring(chest, thorax - chest[:, 1] * 0.012, wide + 0.012, 0.036 * girth),
        _ring(chest, thorax - chest[:, 1] * 0.085, wide * 0.9, 0.06 * girth),
        _ring(pelvis, waist - pelvis[:, 1] * 0.03, 0.07 * girth + 0.012, 0.054 * girth),
    ])  # fmt: skip
    _shaded_hull(canvas, figure.project(hips), look.bottom, base + PART["pelvis"])
    _shaded_hull(canvas, figure.project(shirt), look.top, base + PART["chest"])
    if look.pattern == "stripes":
        for down in (0.05, 0.1, 0.15):
            _band(canvas, figure, thorax - chest[:, 1] * down, chest, wide * 0.85, 0.052 * girth)
    front = chest[2, 2] > 0.15
    if front and look.pattern == "print":
        _front_quad(canvas, figure, 0.045, (0.06, 0.13), look.trim)
    elif front and look.pattern == "jacket":
        _front_quad(canvas, figure, 0.028, (0.0, 0.21), look.trim)
    if front and look.pattern != "jacket":  # the neckline
        _front_quad(canvas, figure, 0.022, (-0.01, 0.025), look.skin)


def _shaded_hull(canvas: Canvas, points: np.ndarray, colour: tuple, code: int) -> None:
    corners = canvas.hull(points, shade(colour, 0.72), code)
    centre = corners.mean()
    spread = np.abs(corners - centre).mean()
    canvas.polygon(centre + 0.82 * (corners - centre) + canvas.light * (0.1 * spread), colour, None)


def _band(canvas: Canvas, figure: Figure, centre: np.ndarray, frame: np.ndarray, wide: float, deep: float) -> None:
    """The near half of a ring around the chest."""
    ring = _ring(frame, centre, wide, deep)
    near = ring[:, 2] > centre[2]
    start = int(np.argmax(near & ~np.roll(near, 1)))
    half = np.roll(ring, -start, axis=0)[: int(near.sum())]
    canvas.stroke(figure.project(half), figure.look.trim, max(1, round(0.018 * figure.scale)))


def _front_quad(canvas: Canvas, figure: Figure, wide: float, down: tuple[float, float], colour: tuple) -> None:
    """A piece of cloth on the front of the chest, from `down[0]` to `down[1]` below the shoulder line."""
    body = figure.body
    x, y, z = body.chest_frame.T
    top = body["thorax"] - y * down[0] + z * 0.045
    bottom = body["thorax"] - y * down[1] + z * 0.05
    corners = np.stack([top - x * wide, top + x * wide, bottom + x * wide, bottom - x * wide])
    canvas.polygon(figure.project(corners), colour, None)


def _draw_skirt(canvas: Canvas, figure: Figure, pixels: list[complex], base: int) -> None:
    body = figure.body
    girth, reach = body.build.girth, 0.75 if figure.look.legwear == "dress" else 0.6
    ring = figure.project(_ring(body.pelvis_frame, body["pelvis"], body.build.hip + 0.03 * girth, 0.05 * girth))
    hem = []
    for side in ("left", "right"):
        hip, knee = pixels[INDEX[f"{side}_hip"]], pixels[INDEX[f"{side}_knee"]]
        hem.append(hip + reach * (knee - hip) + 0.055 * figure.scale * CIRCLE)
    _shaded_hull(canvas, np.concatenate([ring, *hem]), figure.look.bottom, base + PART["pelvis"])


def _draw_bag(canvas: Canvas, figure: Figure, base: int) -> None:
    """A backpack."""
    body = figure.body
    x, y, z = body.chest_frame.T
    corners = [
        body["thorax"] + x * across - y * down - z * back
        for across in (-0.075, 0.075) for down in (0.0, 0.18) for back in (0.05, 0.13)
    ]  # fmt: skip
    _shaded_hull(canvas, figure.project(np.stack(corners)), figure.look.bag, base + PART["extra"])
