"""Pictures of predictions: skeletons on the image, and beside it the visual tokens that a model kept of each person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..crops.affine import apply_affine, crop_matrix, warp_crop
from ..keypoints import Skeleton

# BGR. Blue and orange stay apart for colour-blind readers and on most backgrounds.
LEFT, RIGHT, MIDDLE = (255, 170, 60), (40, 130, 255), (120, 230, 120)
FIRST, SECOND = (60, 220, 245), (190, 50, 150)
OUTLINE, PAPER, INK = (20, 20, 20), (24, 24, 24), (235, 235, 235)
VEIL = np.array([78, 62, 54])  # laid over dropped tokens
SCORE_THRESHOLD = 0.2  # keypoints below it are not drawn
OUTSIDE = (0, 0, 0)  # of the image, in a crop
SMALLEST_SIDE = 560  # px; smaller images are enlarged, or lines would cover them
GAP, CAPTION = 10, 26  # px between panels, and above each
LOWEST_PANEL = 200  # px
TEXT_SIZE = 0.5


@dataclass(frozen=True)
class ShownTokens:
    """The visual tokens of n people. kept: (n, K) indices, row-major in `grid` (rows, columns); padding repeats one.
    center, scale: (n, 2) of their crops of `input_size` (H, W). holders: (n, N), of a reduction that merges, the token
    of each cell."""

    kept: np.ndarray
    grid: tuple[int, int]
    center: np.ndarray
    scale: np.ndarray
    input_size: tuple[int, int]
    holders: np.ndarray | None = None


def draw_prediction(
    image: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray | None,
    skeleton: Skeleton,
    *,
    threshold: float = SCORE_THRESHOLD,
    tokens: ShownTokens | None = None,
) -> np.ndarray:
    """A new BGR picture of an image (H, W, 3) BGR uint8 with the skeletons of n people.

    keypoints (n, J, 2) px; scores (n, J), those below `threshold` are left out (None: all are drawn). With
    `tokens` a panel per person shows the crop with the dropped tokens veiled, or the merged ones drawn as one; a legend
    stands below. Small images come out enlarged.
    """
    zoom = max(1.0, SMALLEST_SIDE / max(image.shape[:2]))
    picture = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC) if zoom > 1 else image.copy()
    points = (np.asarray(keypoints, dtype=np.float64) + 0.5) * zoom - 0.5
    visible = np.ones(points.shape[:2], bool) if scores is None else np.asarray(scores) >= threshold
    for pose, seen in zip(points, visible, strict=True):
        draw_skeleton(picture, pose, seen, skeleton)
    if tokens is None or not len(points):
        return picture
    grid, input_size, holders = tokens.grid, tokens.input_size, tokens.holders
    if len(points) > 1:
        for number, (pose, seen) in enumerate(zip(points, visible, strict=True), start=1):
            _number(picture, pose[seen], number)
    rows = max(1, round(math.sqrt(len(points) * input_size[1] / input_size[0])))  # makes about a square of panels
    panel_height = max(LOWEST_PANEL, (picture.shape[0] - GAP * (rows - 1)) // rows - CAPTION)
    panel_wh = max(1, round(panel_height * input_size[1] / input_size[0])), panel_height
    panels = []
    for number, (kept, middle, size, pose, seen) in enumerate(
        zip(tokens.kept, tokens.center, tokens.scale, keypoints, visible, strict=True), start=1
    ):
        matrix = crop_matrix(middle, size, 0, panel_wh)
        crop = warp_crop(image, matrix, panel_wh)
        panel = shade_dropped(crop, kept, grid) if holders is None else show_merged(crop, holders[number - 1], grid)
        draw_skeleton(panel, apply_affine(pose, matrix), seen, skeleton)
        panels.append(_captioned(panel, f"{number}: {len(np.unique(kept))}/{grid[0] * grid[1]} tokens"))
    shown = {"dropped token": VEIL + 32} if holders is None else {"one colour: merged into one token": None}
    return _explained(_beside(picture, panels, rows), {**shown, "outside the image": OUTSIDE})


def draw_skeleton(image: np.ndarray, keypoints: np.ndarray, visible: np.ndarray, skeleton: Skeleton) -> None:
    """Draw one person onto `image` (BGR uint8), in place: keypoints (J, 2) px of which `visible` (J,) are shown."""
    if not visible.any():
        return
    extent = float(np.ptp(keypoints[visible], axis=0).max())
    width = int(np.clip(round(extent / 90), 1, 5))
    limbs = [(a, b) for a, b in skeleton.limbs if visible[a] and visible[b]]
    for a, b in limbs:
        cv2.line(image, _pixel(keypoints[a]), _pixel(keypoints[b]), OUTLINE, width + 2, cv2.LINE_AA)
    for a, b in limbs:
        colour = _colour(skeleton, a) if _colour(skeleton, a) == _colour(skeleton, b) else MIDDLE
        cv2.line(image, _pixel(keypoints[a]), _pixel(keypoints[b]), colour, width, cv2.LINE_AA)
    for joint in np.flatnonzero(visible):
        cv2.circle(image, _pixel(keypoints[joint]), width + 2, OUTLINE, -1, cv2.LINE_AA)
        cv2.circle(image, _pixel(keypoints[joint]), width + 1, _colour(skeleton, joint), -1, cv2.LINE_AA)


def shade_dropped(crop: np.ndarray, kept: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A copy of a crop (H, W, 3) in which the cells of the token grid (rows, columns) but `kept` (K,) are veiled.

    The veil is a flat slate, so that a dropped cell is told from a kept one on black and on white.
    """
    height, width = crop.shape[:2]
    mask = np.zeros(grid[0] * grid[1], dtype=bool)
    mask[np.asarray(kept)] = True
    shown = mask[_cells(height, width, grid)]
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)[..., None]
    return np.where(shown[..., None], crop, (grey * 0.25 + VEIL).astype(np.uint8))


def show_two(crop: np.ndarray, one: np.ndarray, other: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A copy of a crop (H, W, 3) with what two masks keep of a grid (rows, columns), booleans (N,): as it is where both
    keep the cell, yellow where only the first does, violet where only the second does, veiled where neither does."""
    cells = _cells(*crop.shape[:2], grid)
    picture = shade_dropped(crop, np.flatnonzero(one | other), grid)
    for alone, colour in ((one & ~other, FIRST), (other & ~one, SECOND)):
        here = alone[cells]
        picture[here] = (0.45 * crop[here] + 0.55 * np.array(colour)).astype(np.uint8)
    return picture


def show_merged(crop: np.ndarray, holder: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A copy of a crop (H, W, 3) as merged tokens see it, drawn as in ToMe's paper.

    holder: (N,) which token holds each cell of the grid (rows, columns). All cells of a token are filled with their
    common mean colour; thin lines part neighbouring cells of different tokens.
    """
    group = np.asarray(holder)[_cells(*crop.shape[:2], grid)]
    picture = np.empty_like(crop)
    for token in np.unique(group):
        picture[group == token] = np.rint(crop[group == token].mean(axis=0))
    picture[1:][group[1:] != group[:-1]] = OUTLINE
    picture[:, 1:][group[:, 1:] != group[:, :-1]] = OUTLINE
    return picture


def _cells(height: int, width: int, grid: tuple[int, int]) -> np.ndarray:
    """(height, width) which cell of the grid, row-major, each pixel lies in."""
    rows, columns = grid
    row = np.minimum(np.arange(height) * rows // height, rows - 1)
    column = np.minimum(np.arange(width) * columns // width, columns - 1)
    return row[:, None] * columns + column[None]


def _colour(skeleton: Skeleton, joint: int) -> tuple[int, int, int]:
    name = skeleton.keypoints[joint]
    return LEFT if name.startswith("left") else RIGHT if name.startswith("right") else MIDDLE


def _pixel(point: np.ndarray) -> tuple[int, int]:
    """Within what OpenCV can clip."""
    x, y = np.clip(np.round(point), -30000, 30000)
    return int(x), int(y)


def _number(picture: np.ndarray, points: np.ndarray, number: int) -> None:
    if not len(points):
        return
    x, y = _pixel([points[:, 0].mean(), points[:, 1].min() - 22])
    x, y = min(max(12, x), picture.shape[1] - 12), min(max(12, y), picture.shape[0] - 12)
    cv2.circle(picture, (x, y), 11, PAPER, -1, cv2.LINE_AA)
    width = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, TEXT_SIZE, 1)[0][0]
    _text(picture, str(number), (x - width // 2, y + 5))


def _captioned(panel: np.ndarray, text: str) -> np.ndarray:
    strip = np.full((CAPTION, panel.shape[1], 3), PAPER, dtype=np.uint8)
    _text(strip, text, (2, CAPTION - 8))
    return np.concatenate([strip, panel])


def _explained(page: np.ndarray, colours: dict[str, Sequence[int] | None]) -> np.ndarray:
    """The page with a legend below it: words, and before them a field of their colour."""
    strip = np.full((CAPTION, page.shape[1], 3), PAPER, dtype=np.uint8)
    x = 4
    for text, colour in colours.items():
        if colour is not None:
            field = (x, 6), (x + 20, CAPTION - 6)
            cv2.rectangle(strip, *field, [int(value) for value in colour], -1)
            cv2.rectangle(strip, *field, INK, 1)
            x += 28
        _text(strip, text, (x, CAPTION - 8))
        x += cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, TEXT_SIZE, 1)[0][0] + 20
    return np.concatenate([page, strip])


def _text(picture: np.ndarray, text: str, at: tuple[int, int]) -> None:
    around = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]  # a wider pen would space letters apart
    for (dx, dy), colour in [*((shift, OUTLINE) for shift in around), ((0, 0), INK)]:
        cv2.putText(
            picture, text, (at[0] + dx, at[1] + dy), cv2.FONT_HERSHEY_SIMPLEX, TEXT_SIZE, colour, 1, cv2.LINE_AA
        )


def _beside(picture: np.ndarray, panels: list[np.ndarray], rows: int) -> np.ndarray:
    """The picture with panels to its right, filled column by column."""
    if not panels:
        return picture
    height, width = panels[0].shape[:2]
    columns = math.ceil(len(panels) / rows)
    total_height = max(picture.shape[0], rows * (height + GAP) - GAP)
    page = np.full((total_height, picture.shape[1] + columns * (width + GAP), 3), PAPER, dtype=np.uint8)
    page[: picture.shape[0], : picture.shape[1]] = picture
    for place, panel in enumerate(panels):
        column, row = divmod(place, rows)
        x, y = picture.shape[1] + GAP + column * (width + GAP), row * (height + GAP)
        page[y : y + height, x : x + width] = panel
    return page
