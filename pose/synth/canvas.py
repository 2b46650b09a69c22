"""Drawing primitives: antialiased shapes on the image, and beside them who owns each pixel."""

from __future__ import annotations

import cv2
import numpy as np

Colour = tuple[float, float, float]  # blue, green, red, 0 to 255

_SHIFT = 4  # cv2 takes coordinates in 1/16 px; pixel centres lie at integers
_FIXED = 1 << _SHIFT
_CAP = _FIXED * np.exp(1j * np.linspace(np.pi / 2, 3 * np.pi / 2, 6))
_NONE, _ONE = np.zeros(6), np.full(6, _FIXED)
# Rows: start, end, start radius, end radius (radii along the limb's direction); columns: corners of a capsule.
_CAPSULE = np.stack([np.r_[_ONE, _NONE], np.r_[_NONE, _ONE], np.r_[_CAP, _NONE], np.r_[_NONE, -_CAP]])
CIRCLE = np.exp(2j * np.pi * np.arange(16) / 16)


def shade(colour: Colour, factor: float) -> Colour:
    return (min(colour[0] * factor, 255.0), min(colour[1] * factor, 255.0), min(colour[2] * factor, 255.0))


def _direction(a: complex, b: complex) -> complex:
    length = abs(b - a)
    return (b - a) / length if length > 1e-6 else 1 + 0j


class Canvas:
    """An image (H, W, 3) uint8 BGR and `owner` (H, W) uint8: the code of what was drawn there last, 0 for none.

    Points are complex numbers x + iy in px. `light` is the direction in the image that light comes from.
    """

    def __init__(self, image: np.ndarray, light: complex = -0.6 - 0.8j) -> None:
        self.image = image
        self.owner = np.zeros(image.shape[:2], np.uint8)
        self.light = light

    def polygon(self, points: np.ndarray, colour: Colour, code: int | None) -> None:
        """Fill a convex polygon of complex points; `code` None leaves the ownership alone (surface detail)."""
        self._fill(points * _FIXED, colour, code)

    def _fill(self, points: np.ndarray, colour: Colour, code: int | None) -> None:
        fixed = np.rint(points.view(np.float64)).astype(np.int32).reshape(-1, 1, 2)
        cv2.fillConvexPoly(self.image, fixed, colour, cv2.LINE_AA, _SHIFT)
        if code is not None:
            cv2.fillConvexPoly(self.owner, fixed, code, cv2.LINE_8, _SHIFT)

    def hull(self, points: np.ndarray, colour: Colour, code: int | None) -> np.ndarray:
        """Fill the convex hull of complex points; returns its corners."""
        corners = cv2.convexHull(points.astype(np.complex64).view(np.float32).reshape(-1, 1, 2))
        corners = corners.astype(np.float64).reshape(-1, 2)
        corners = np.ascontiguousarray(corners).view(np.complex128).reshape(-1)
        self.polygon(corners, colour, code)
        return corners

    def capsule(self, a: complex, ra: float, b: complex, rb: float, colour: Colour, code: int | None) -> None:
        """A tapered limb from `a` with radius `ra` to `b` with radius `rb`, in one flat colour."""
        along = _direction(a, b)
        self._fill(np.array((a, b, along * ra, along * rb)) @ _CAPSULE, colour, code)

    def limb(self, a: complex, ra: float, b: complex, rb: float, colour: Colour, code: int | None) -> None:
        """A capsule with a dark edge away from the light, so that it looks round."""
        along = _direction(a, b)
        shift_a, shift_b = self.light * (0.22 * ra), self.light * (0.22 * rb)
        edge, lit = np.array((
            (a, b, along * ra, along * rb),
            (a + shift_a, b + shift_b, along * (0.74 * ra), along * (0.74 * rb)),
        )) @ _CAPSULE  # fmt: skip
        self._fill(edge, shade(colour, 0.68), code)
        self._fill(lit, colour, None)

    def disc(self, centre: complex, radius: float, colour: Colour, code: int | None) -> None:
        self.polygon(centre + radius * CIRCLE, colour, code)

    def stroke(self, points: np.ndarray, colour: Colour, width: int = 1) -> None:
        """An open line through complex points, surface detail only."""
        fixed = np.rint(points.view(np.float64) * _FIXED).astype(np.int32).reshape(1, -1, 2)
        cv2.polylines(self.image, fixed, False, colour, width, cv2.LINE_AA, _SHIFT)


def darken(image: np.ndarray, centre: complex, rx: float, ry: float, factor: float) -> None:
    """Multiply an ellipse of the image by about `factor`, softly: the shadow below a figure."""
    height, width = image.shape[:2]
    x0, x1 = max(0, int(centre.real - rx)), min(width, int(centre.real + rx) + 1)
    y0, y1 = max(0, int(centre.imag - ry)), min(height, int(centre.imag + ry) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    x = (np.arange(x0, x1, dtype=np.float32) - centre.real) / rx
    y = (np.arange(y0, y1, dtype=np.float32) - centre.imag) / ry
    strength = np.clip(1 - x[None] ** 2 - y[:, None] ** 2, 0, 1) * (1 - factor)
    patch = image[y0:y1, x0:x1]
    patch[:] = (patch * (1 - strength)[..., None]).astype(np.uint8)
