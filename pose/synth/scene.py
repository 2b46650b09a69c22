"""One image: a background, one to three figures on it, sometimes something before them; and its annotations."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .background import finish, paint_clutter, paint_ground, paint_occluder
from .body import articulate, sample_build
from .canvas import Canvas, Colour, darken, shade
from .clothing import sample_look, vivid
from .drawing import draw_figure
from .figure import PARTS_PER_FIGURE, VISIBLE, Figure, coco_keypoints, mpii_keypoints
from .pose import Pose, sample_pose, sample_yaw

RENDERER_VERSION = 2  # raise it when the same seed draws another picture: cached sets are kept by version

SIZES = {  # people: (width, height) px
    1: ((160, 120), (120, 160), (144, 144), (176, 132)),
    2: ((176, 132), (200, 150), (160, 160)),
    3: ((200, 150),),
}
LONG_SIDE = (62.0, 118.0)  # px, of a figure's box before anything hides part of it
MAX_ATTEMPTS = 40


@dataclass(frozen=True)
class Person:
    """`box` x, y, w, h of the visible silhouette and its `area`, px; `head_box` x0, y0, x1, y1 of the skull."""

    keypoints: np.ndarray  # (17, 3), see figure.coco_keypoints
    joints: np.ndarray  # (16, 3), see figure.mpii_keypoints
    box: tuple[int, int, int, int]
    area: int
    head_box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Scene:
    image: np.ndarray  # (H, W, 3) uint8, blue green red
    owner: np.ndarray  # (H, W) uint8, see figure.PARTS
    people: list[Person]


def render_scene(rng: np.random.Generator, count: int) -> Scene:
    """Render `count` people (1 to 3). A draw in which somebody is all but hidden is thrown away and drawn anew."""
    for _ in range(MAX_ATTEMPTS):
        scene = _attempt(rng, count)
        if all(_well_seen(person) for person in scene.people):
            return scene
    raise RuntimeError(f"no usable scene of {count} people in {MAX_ATTEMPTS} attempts")


def _well_seen(person: Person) -> bool:
    return bool((person.keypoints[:, 2] == VISIBLE).sum() >= 5 and person.area >= 250)


def _attempt(rng: np.random.Generator, count: int) -> Scene:
    sizes = SIZES[count]
    width, height = sizes[int(rng.integers(len(sizes)))]
    canvas = Canvas(paint_ground(rng, (width, height)), light=complex(np.exp(1j * rng.normal(-np.pi / 2, 0.6))))
    paint_clutter(canvas, rng)
    crowded = rng.random() < 0.35
    figures: list[tuple[Figure, Pose]] = []
    for _ in range(count):
        figures.append(_place(rng, (width, height), [figure for figure, _ in figures], crowded))
    figures.sort(key=lambda entry: entry[0].extent[3])  # who stands lower in the image stands nearer
    for index, (figure, pose) in enumerate(figures):
        _draw_footing(canvas, rng, figure, pose)
        draw_figure(canvas, figure, index)
        if rng.random() < 0.065:
            paint_occluder(canvas, rng, figure.extent)
    people = [_annotate(canvas.owner, figure, index) for index, (figure, _) in enumerate(figures)]
    return Scene(finish(canvas.image, rng), canvas.owner, people)


def _sample_figure(rng: np.random.Generator) -> tuple[Figure, Pose]:
    pose = sample_pose(rng)
    body = articulate(pose, sample_build(rng), yaw=sample_yaw(rng), pitch=rng.normal(5, 9))
    return Figure(body, sample_look(rng), 1.0, 0j), pose


def _place(rng: np.random.Generator, size: tuple[int, int], others: list[Figure], crowded: bool) -> tuple[Figure, Pose]:
    """A figure of random size at the random place, of several, where it covers the others least."""
    unit, pose = _sample_figure(rng)
    x0, y0, x1, y1 = unit.extent
    cut = rng.random() < 0.08  # reaches beyond the image
    low, high = LONG_SIDE
    scale = (low + (high - low) * rng.random()) / max(x1 - x0, y1 - y0)
    if cut:
        scale *= 1.3
    else:
        scale = min(scale, (size[0] - 4) / (x1 - x0), (size[1] - 4) / (y1 - y0))
    free_x, free_y = size[0] - 4 - (x1 - x0) * scale, size[1] - 4 - (y1 - y0) * scale
    beyond = 0.3 * scale if cut else 0.0
    best, least = None, np.inf
    for _ in range(6):
        left = 2 - beyond + (free_x + 2 * beyond) * rng.random()
        top = 2 - beyond + (free_y + 2 * beyond) * rng.random()
        figure = Figure(unit.body, unit.look, scale, complex(left - x0 * scale, top - y0 * scale))
        covered = max((_covered(figure.extent, other.extent) for other in others), default=0.0)
        if covered < least:
            best, least = figure, covered
        if covered <= (0.45 if crowded else 0.1):
            break
    assert best is not None
    return best, pose


def _covered(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection of two boxes as a share of the smaller."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    return wide * tall / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def _draw_footing(canvas: Canvas, rng: np.random.Generator, figure: Figure, pose: Pose) -> None:
    """A shadow on the ground, and for a sitting figure something to sit on."""
    if abs(pose.roll) >= 25:  # leaning on nothing: in the air
        return
    scale, pelvis = figure.scale, figure.pixel("pelvis")
    feet = np.array([figure.pixel(name) for name in ("left_ankle", "right_ankle", "left_toe", "right_toe")])
    ground = float(feet.imag.max()) + 0.02 * scale
    if ground > pelvis.imag:
        reach = 0.7 * float(np.ptp(feet.real)) + 0.12 * scale
        darken(canvas.image, complex(feet.real.mean(), ground), reach, 0.05 * scale, 0.45)
    if pose.seated:
        half, top, colour = 0.14 * scale, pelvis.imag + 0.045 * scale, vivid(rng)
        _draw_block(canvas, pelvis.real, half, top, max(ground, top + 0.1 * scale), colour)
        _draw_block(canvas, pelvis.real, half, top, top + 0.05 * scale, shade(colour, 1.25))


def _draw_block(canvas: Canvas, x: float, half: float, top: float, bottom: float, colour: Colour) -> None:
    corners = ((x - half, top), (x + half, top), (x + half, bottom), (x - half, bottom))
    canvas.polygon(np.array([complex(*corner) for corner in corners]), colour, 0)


def _annotate(owner: np.ndarray, figure: Figure, index: int) -> Person:
    first = 1 + PARTS_PER_FIGURE * index
    silhouette = cv2.inRange(owner, first, first + PARTS_PER_FIGURE - 1)
    outline = figure.skull_outline
    box = cv2.boundingRect(silhouette)
    return Person(
        keypoints=coco_keypoints(figure, index, owner),
        joints=mpii_keypoints(figure, owner.shape),
        box=(int(box[0]), int(box[1]), int(box[2]), int(box[3])),
        area=int(cv2.countNonZero(silhouette)),
        head_box=(outline.real.min(), outline.imag.min(), outline.real.max(), outline.imag.max()),
    )
