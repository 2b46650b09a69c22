"""The head: skull, face, ears and hair, right from every side, so that the way a figure faces can be seen."""

from __future__ import annotations

import numpy as np

from .body import HEAD_AXES
from .canvas import Canvas, Colour, shade
from .figure import PART, Figure


def _around(direction: tuple[float, float, float], opening: float, count: int = 14) -> np.ndarray:
    """(count, 3) circle on the unit sphere, `opening` degrees around `direction`."""
    axis = np.array(direction) / np.linalg.norm(direction)
    across = np.cross(axis, (1.0, 0.0, 0.0))
    across /= np.linalg.norm(across)
    angle = 2 * np.pi * np.arange(count) / count
    ring = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * np.cross(axis, across)
    return np.cos(np.radians(opening)) * axis + np.sin(np.radians(opening)) * ring


_FACE_PATCH = _around((0.0, -0.45, 1.0), 66)
_BEARD_PATCH = _around((0.0, -0.8, 0.75), 34)
_CAP_PATCH = _around((0.0, 1.0, -0.05), 68)
_LONG_HAIR = np.array(
    [(x, y, z) for x in (-1.02, 1.02) for y, z in ((0.3, -0.3), (-1.5, -0.35), (-1.7, -0.8), (0.2, -0.95))]
)
_BRIM = np.array([(-0.7, 0.32, 0.7), (0.7, 0.32, 0.7), (0.45, 0.25, 1.65), (-0.45, 0.25, 1.65)])
_BUN = np.array([(0.0, 0.75, -0.95)])
_MOUTH = np.array([(-0.26, -0.52, 0.86), (0.0, -0.57, 0.9), (0.26, -0.52, 0.86)])
_BROWS = np.array([(0.6, 0.33, 0.8), (0.22, 0.36, 0.95), (-0.22, 0.36, 0.95), (-0.6, 0.33, 0.8)])


class _Skull:
    """The unit sphere of a figure's head, mapped into the image."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        frame = figure.body.head_frame
        self.to_view = frame * (HEAD_AXES * figure.body.build.head)
        self.normal = frame / (HEAD_AXES * figure.body.build.head)
        self.centre = figure.pixel("head")

    def points(self, local: np.ndarray) -> np.ndarray:
        return self.figure.project(self.figure.body["head"] + local @ self.to_view.T)

    def patch(self, local: np.ndarray) -> np.ndarray | None:
        """Outline of a cap of the sphere; what lies behind the horizon is drawn on it. None: not in sight."""
        hidden = local @ self.normal[2] < 0
        if hidden.all():
            return None
        pixels = self.points(local)
        if hidden.any():
            offset = pixels[hidden] - self.centre
            flat = np.linalg.solve(self.figure.skull_root, np.stack([offset.real, -offset.imag]))
            pixels[hidden] = self.centre + offset / np.maximum(np.hypot(*flat), 1e-6)
        return pixels


def _patch(canvas: Canvas, skull: _Skull, local: np.ndarray, colour: Colour, code: int | None) -> None:
    pixels = skull.patch(local)
    if pixels is not None:
        canvas.hull(pixels, colour, code)


def draw_hair_behind(canvas: Canvas, figure: Figure, base: int) -> None:
    """Long hair and a bun, which hang behind the head: before it when the figure faces the camera, else after it."""
    look, skull = figure.look, _Skull(figure)
    if look.hair_style == "long":
        canvas.hull(skull.points(_LONG_HAIR), shade(look.hair, 0.85), base + PART["hair"])
    elif look.hair_style == "bun":
        radius = 0.04 * figure.body.build.head * figure.scale
        canvas.disc(skull.points(_BUN)[0], radius, shade(look.hair, 0.85), base + PART["hair"])


def draw_head(canvas: Canvas, figure: Figure, base: int) -> None:
    """Skull, hair and face."""
    look, body, size = figure.look, figure.body, figure.scale * figure.body.build.head
    skull = _Skull(figure)
    code = base + PART["head"]
    faces_camera = body.head_frame[2, 2] > 0
    if faces_camera:
        draw_hair_behind(canvas, figure, base)
    outline = figure.skull_outline
    bald = look.hair_style == "bald"
    canvas.polygon(outline, shade(look.skin if bald else look.hair, 0.8), code)
    lit = skull.centre + (outline - skull.centre) * 0.82 + canvas.light * (0.008 * size)
    canvas.polygon(lit, look.skin if bald else look.hair, None)
    _patch(canvas, skull, _FACE_PATCH, look.skin, None)
    if look.beard:
        _patch(canvas, skull, _BEARD_PATCH, shade(look.hair, 0.9), None)
    _features(canvas, figure, skull, size, code)
    if look.hair_style == "cap":
        _patch(canvas, skull, _CAP_PATCH, look.trim, code)
        canvas.hull(skull.points(_BRIM), shade(look.trim, 0.7), code)
    if look.hair_style != "long":
        for name in ("left_ear", "right_ear"):
            if body.facing[name] > -0.3:
                ear = figure.pixel(name)
                canvas.disc(ear, 0.019 * size, shade(look.skin, 0.72), code)
                canvas.disc(ear, 0.011 * size, shade(look.skin, 0.95), None)
    if not faces_camera:
        draw_hair_behind(canvas, figure, base)


def _features(canvas: Canvas, figure: Figure, skull: _Skull, size: float, code: int) -> None:
    body, look = figure.body, figure.look
    for name in ("left_eye", "right_eye"):
        if body.facing[name] > 0.0:
            eye = figure.pixel(name)
            canvas.disc(eye, 0.0125 * size, (235.0, 238.0, 240.0), None)
            canvas.disc(eye, 0.0085 * size, (40.0, 30.0, 25.0), None)
    if body.facing["nose"] > -0.15:
        bridge = skull.points(np.array([(0.0, 0.1, 1.0)]))[0]
        nose = figure.pixel("nose")
        canvas.capsule(bridge, 0.006 * size, nose, 0.0115 * size, shade(look.skin, 0.7), code)
    if body.head_frame[2, 2] > 0.25:
        canvas.stroke(skull.points(_MOUTH), (70.0, 60.0, 130.0))
        brows = skull.points(_BROWS)
        canvas.stroke(brows[:2], shade(look.hair, 0.6))
        canvas.stroke(brows[2:], shade(look.hair, 0.6))
