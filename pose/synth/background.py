"""What stands behind (and sometimes before) the figures: rooms, fields, clutter and things that look like limbs."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Canvas, Colour
from .clothing import jitter, sample_skin, vivid


def _dull(rng: np.random.Generator, low: float = 40.0, high: float = 225.0) -> Colour:
    """A muted colour: grey of random brightness with a tint."""
    grey = low + (high - low) * rng.random()
    return jitter(rng, (grey, grey, grey), 18.0)


def paint_ground(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """An image (H, W, 3) of wall or sky above floor or field, unevenly lit."""
    rows, columns = 9, 12
    horizon = int(rng.integers(3, 8))
    grid = np.empty((rows, columns, 3), np.float32)
    grid[:horizon] = _dull(rng)
    grid[horizon:] = _dull(rng, 40, 190)
    grid += rng.normal(0, rng.uniform(4, 22), (rows, columns, 1))
    grid += rng.normal(0, 4, (rows, columns, 3))
    image = cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR)
    return np.clip(image, 0, 255).astype(np.uint8)


def _point(rng: np.random.Generator, size: tuple[int, int]) -> complex:
    return complex(rng.random() * size[0], rng.random() * size[1])


def _box(canvas: Canvas, rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> None:
    """A window, a door, a crate: a rectangle, sometimes with a second face or a frame."""
    width, height = (5 + 40 * rng.random()) / 2, (5 + 45 * rng.random()) / 2
    turn = np.exp(1j * rng.normal(0, 0.12))
    corners = np.array([-width - 1j * height, width - 1j * height, width + 1j * height, -width + 1j * height])
    centre = _point(rng, size)
    canvas.polygon(centre + corners * turn, colour, 0)
    if rng.random() < 0.5:
        canvas.polygon(centre + corners * turn * 0.75, _dull(rng), 0)


def _pole(canvas: Canvas, rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> None:
    """A pole, a branch or a wire, across part of the image."""
    start = _point(rng, size)
    angle = rng.normal(np.pi / 2, 0.15) if rng.random() < 0.6 else rng.random() * np.pi
    end = start + np.exp(1j * angle) * (25 + 90 * rng.random())
    radius = 0.8 + 3 * rng.random() ** 2
    canvas.limb(start, radius, end, radius * (0.6 + 0.4 * rng.random()), colour, 0)


def _blob(canvas: Canvas, rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> None:
    """A bush, a ball, a stone."""
    centre = _point(rng, size)
    radius = 3 + 16 * rng.random() ** 2
    corners = 3 + int(rng.integers(10))
    angles = np.sort(rng.random(corners)) * 2 * np.pi
    canvas.hull(centre + radius * np.exp(1j * angles) * (1 + 0.5j * rng.random()), colour, 0)


def _bars(canvas: Canvas, rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> None:
    """A fence or a shelf: parallel bars."""
    start, step = _point(rng, size), 6 + 12 * rng.random()
    upright = rng.random() < 0.6
    length = 20 + 40 * rng.random()
    radius = 0.8 + 1.6 * rng.random()
    for index in range(3 + int(rng.integers(4))):
        a = start + index * step * (1 if upright else 1j)
        canvas.limb(a, radius, a + length * (1j if upright else 1), radius, colour, 0)


def _false_limb(canvas: Canvas, rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> None:
    """Two jointed segments coloured and shaded like an arm or a leg, belonging to nobody."""
    radius = 1.5 + 2.5 * rng.random()
    a = _point(rng, size)
    heading = rng.random() * 2 * np.pi
    length = radius * (4 + 4 * rng.random())
    b = a + length * np.exp(1j * heading)
    c = b + length * np.exp(1j * (heading + rng.normal(0, 0.8)))
    lower = colour if rng.random() < 0.5 else sample_skin(rng)
    canvas.limb(b, radius * 0.85, c, radius * 0.6, lower, 0)
    canvas.limb(a, radius, b, radius * 0.85, colour, 0)
    if rng.random() < 0.5:
        canvas.disc(c, radius * 0.9, sample_skin(rng), 0)


def _false_head(canvas: Canvas, rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> None:
    """A round thing of skin colour, on a stick or not."""
    radius, centre = 2.5 + 4 * rng.random(), _point(rng, size)
    if rng.random() < 0.5:
        canvas.limb(centre, radius * 0.4, centre + 1j * radius * 4, radius * 0.4, colour, 0)
    canvas.limb(centre, radius, centre, radius, sample_skin(rng), 0)


_CLUTTER = (_box, _box, _pole, _pole, _blob, _blob, _bars, _false_limb, _false_limb, _false_head)


def paint_clutter(canvas: Canvas, rng: np.random.Generator) -> None:
    """One to six things behind the figures."""
    size = canvas.image.shape[1], canvas.image.shape[0]
    for _ in range(1 + int(rng.integers(6))):
        colour = vivid(rng) if rng.random() < 0.5 else _dull(rng)
        _CLUTTER[int(rng.integers(len(_CLUTTER)))](canvas, rng, size, colour)


def paint_occluder(canvas: Canvas, rng: np.random.Generator, extent: tuple[float, float, float, float]) -> None:
    """One thing before a figure that covers `extent` (x0, y0, x1, y1): a pole, a plank, a crate at the feet."""
    x0, y0, x1, y1 = extent
    width, height = x1 - x0, y1 - y0
    colour = vivid(rng) if rng.random() < 0.5 else _dull(rng)
    centre = complex(x0 + width * (0.1 + 0.8 * rng.random()), y0 + height * (0.25 + 0.65 * rng.random()))
    kind = rng.random()
    if kind < 0.4:
        arm = 0.6 * height * np.exp(1j * rng.normal(np.pi / 2, 0.25))
        radius = 0.015 * height + 0.025 * height * rng.random()
        canvas.limb(centre - arm, radius, centre + arm, radius, colour, 0)
    elif kind < 0.65:
        arm = 0.7 * width * np.exp(1j * rng.normal(0, 0.15))
        radius = 0.015 * height + 0.03 * height * rng.random()
        canvas.limb(centre - arm, radius, centre + arm, radius, colour, 0)
    else:
        half = (0.08 + 0.12 * rng.random()) * height
        corners = np.array([-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j]) * half * (0.7 + 0.6 * rng.random())
        canvas.polygon(centre.real + 1j * (y1 - 0.6 * half) + corners, colour, 0)


def finish(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The camera: contrast, brightness, sometimes a little blur, sensor noise."""
    gain, offset = 0.75 + 0.4 * rng.random(), rng.normal(0, 14)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (3, 3), 0.4 + 0.4 * rng.random())
    strength = 0.01 + 0.07 * rng.random()
    noise = rng.integers(0, 256, image.shape, dtype=np.uint8)
    return cv2.addWeighted(image, gain, noise, strength, offset - 127.5 * strength)
