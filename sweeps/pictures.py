"""Which tokens each mask keeps or merges, drawn on held-out people: one sheet per mask and ratio in plots/masks/."""

from __future__ import annotations

import math
import re
from pathlib import Path

import cv2
import numpy as np
import torch

from ..pose.crops.affine import apply_affine, crop_matrix, warp_crop
from ..pose.crops.dataset import PoseDataset
from ..pose.crops.images import read_image
from ..pose.crops.person import Person
from ..pose.evaluation.draw import draw_skeleton, shade_dropped, show_merged
from ..pose.files import write_atomic
from ..pose.keypoints import Skeleton
from ..pose.models.config import ModelConfig
from ..pose.models.model import PoseModel
from ..pose.reductions import CUT, MERGE, find_reduction
from .config import WEIGHTS, CellConfig
from .data import load_split
from .events import Event, Listener, ignore
from .plan import Plan
from .store import SweepStore
from .work import build_model, load_given

PEOPLE, COLUMNS = 8, 4
PANEL_HEIGHT, GAP = 208, 6  # px
PAPER = (255, 255, 255)


def draw_masks(store: SweepStore, plan: Plan, on_event: Listener = ignore) -> list[Path]:
    """Draw a sheet for each mask and ratio, from the first seed's trained model; returns the files written.

    Every sheet shows the same people, evenly taken from the held-out ones. A mask of connections has none: all its
    tokens stay.
    """
    wanted: dict[ModelConfig, CellConfig] = {}
    for cell in plan.cells:
        drawable = cell.evaluates and not cell.is_baseline and not cell.is_elastic and _kind(cell.model) != CUT
        if drawable and store.is_done(cell.key):
            wanted.setdefault(cell.executed, cell)
    files = []
    for number, cell in enumerate(wanted.values()):
        name, mask = cell.model.name, cell.model.mask
        model = build_model(cell.model)
        given = plan.request.weights_of(name) if cell.train.mode == WEIGHTS else None
        load_given(model, given or store.cell_dir(cell.key) / "last.pt", cell, plan.data.root)
        people = load_split(plan.data.root, "val", model.spec).people
        chosen = [people[i] for i in np.linspace(0, len(people) - 1, min(PEOPLE, len(people))).astype(int)]
        prefix = f"{name}_" if len(plan.request.models) > 1 else ""
        title = re.sub(r"[^\w+.=(),-]", "_", f"{prefix}{mask}_{cell.ratio:g}")
        file = store.root / "plots" / "masks" / f"{title}.png"
        write_atomic(file, encode_png(mask_sheet(model, chosen, model.spec.skeleton)))
        files.append(file)
        on_event(Event("progress", "pictures", mask, number + 1, len(wanted)))
    return files


def mask_sheet(model: PoseModel, people: list[Person], skeleton: Skeleton) -> np.ndarray:
    """Crops of people, BGR, COLUMNS in a row: dropped tokens are veiled, merged ones have one colour, and the annotated
    joints are drawn on top.
    """
    spec = model.spec
    sizes = spec.input_size, spec.heatmap_size, spec.sigma
    data = PoseDataset(people, skeleton, *sizes, convention=spec.convention)
    items = [data[index] for index in range(len(people))]
    model.eval()
    merges = _kind(spec) == MERGE
    look, draw = (model.token_holders, show_merged) if merges else (model.kept_indices, shade_dropped)
    chosen = look(torch.stack([item["image"] for item in items]), torch.tensor([item["person_id"] for item in items]))
    height, width = spec.input_size
    panel = (round(PANEL_HEIGHT * width / height), PANEL_HEIGHT)
    panels = []
    for person, tokens in zip(people, chosen.numpy(), strict=True):
        matrix = crop_matrix(person.center, person.scale, 0, panel)
        picture = draw(warp_crop(read_image(person.image_path), matrix, panel), tokens, spec.grid)
        if person.keypoints is not None:
            draw_skeleton(picture, apply_affine(person.keypoints, matrix), person.visible > 0, skeleton)
        panels.append(picture)
    rows = math.ceil(len(panels) / COLUMNS)
    columns = min(COLUMNS, len(panels))
    sheet = np.full((rows * (panel[1] + GAP) - GAP, columns * (panel[0] + GAP) - GAP, 3), PAPER, np.uint8)
    for place, picture in enumerate(panels):
        row, column = divmod(place, COLUMNS)
        y, x = row * (panel[1] + GAP), column * (panel[0] + GAP)
        sheet[y : y + panel[1], x : x + panel[0]] = picture
    return sheet


def _kind(model: ModelConfig) -> str:
    return find_reduction(model.reduction.name).kind


def encode_png(picture: np.ndarray) -> bytes:
    """A BGR picture as the bytes of a PNG file."""
    done, content = cv2.imencode(".png", picture)
    if not done:
        raise RuntimeError("OpenCV could not encode a picture as PNG")
    return content.tobytes()
