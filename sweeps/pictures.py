"""Which tokens each mask keeps or merges, drawn on held-out people: one sheet per mask and ratio in plots/masks/, and
in plots/differ/ where the least alike masks keep others."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from ..pose.crops.affine import apply_affine, crop_matrix, warp_crop
from ..pose.crops.dataset import PoseDataset
from ..pose.crops.images import read_image
from ..pose.crops.person import Person
from ..pose.evaluation.draw import draw_skeleton, shade_dropped, show_merged, show_two
from ..pose.files import write_atomic
from ..pose.keypoints import Skeleton
from ..pose.models.config import ModelConfig, ModelSpec
from ..pose.models.model import PoseModel
from ..pose.reductions import CUT, MERGE, find_reduction
from ..reports.analysis.agreement import Agreement, least_alike
from .cell_result import read_cell_result
from .config import CellConfig
from .data import load_split
from .events import Event, Listener, ignore
from .plan import Plan
from .store import SweepStore
from .tokens import stored_choices
from .work import build_model, evaluated_model

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
        model = evaluated_model(store, plan.request, cell, plan.data.root)
        people = load_split(plan.data.root, "val", model.spec).people
        chosen = [people[i] for i in np.linspace(0, len(people) - 1, min(PEOPLE, len(people))).astype(int)]
        prefix = f"{name}_" if len(plan.request.models) > 1 else ""
        file = store.root / "plots" / "masks" / file_name(f"{prefix}{mask}_{cell.ratio:g}")
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
    panels = [
        _panel(person, spec, lambda crop, tokens=tokens: draw(crop, tokens, spec.grid))
        for person, tokens in zip(people, chosen.numpy(), strict=True)
    ]
    return arranged(panels)


def draw_differences(
    store: SweepStore, cells: Sequence[CellConfig], agreements: Sequence[Agreement], data_root: str | Path
) -> list[Path]:
    """A sheet in plots/differ/ for each model and ratio: the two masks that look at content and are least alike."""
    files = []
    for one in agreements:
        pair = least_alike(one)
        own = [cell for cell in cells if (cell.model.name, cell.ratio) == (one.model, one.ratio)]
        kept = {}
        for cell in reversed(own):  # the first seed's stays
            name = read_cell_result(store.cell_dir(cell.key)).counts["mask"] if store.is_done(cell.key) else None
            if pair and name in (pair.one, pair.other):
                kept[name] = cell, stored_choices(store.cell_dir(cell.key))
        if len(kept) < 2 or any(choices is None for _, choices in kept.values()):
            continue
        (cell, first), (_, second) = kept[pair.one], kept[pair.other]
        spec = build_model(cell.model).spec
        by_id = {person.person_id: person for person in load_split(data_root, "val", spec).people}
        rows = np.linspace(0, len(first.people) - 1, min(PEOPLE, len(first.people))).astype(int)
        rows = [row for row in rows if int(first.people[row]) in by_id]
        panels = [
            _panel(
                by_id[int(first.people[row])],
                spec,
                lambda crop, row=row: show_two(crop, first.kept[row], second.kept[row], spec.grid),  # noqa: B023
            )
            for row in rows
        ]
        if panels:
            name = file_name(f"{one.model}_{pair.one}_{pair.other}_{one.ratio:g}")
            files.append(store.root / "plots" / "differ" / name)
            write_atomic(files[-1], encode_png(arranged(panels)))
    return files


def _panel(person: Person, spec: ModelSpec, draw: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A person's crop, drawn upon, with the annotated joints on top."""
    height, width = spec.input_size
    panel = (round(PANEL_HEIGHT * width / height), PANEL_HEIGHT)
    matrix = crop_matrix(person.center, person.scale, 0, panel)
    picture = draw(warp_crop(read_image(person.image_path), matrix, panel))
    if person.keypoints is not None:
        draw_skeleton(picture, apply_affine(person.keypoints, matrix), person.visible > 0, spec.skeleton)
    return picture


def arranged(panels: Sequence[np.ndarray], columns: int = COLUMNS, between: int = GAP) -> np.ndarray:
    """Panels of one size, row by row; between: px between two in a row."""
    high, wide = panels[0].shape[:2]
    rows, across = math.ceil(len(panels) / columns), min(columns, len(panels))
    sheet = np.full((rows * (high + GAP) - GAP, across * (wide + between) - between, 3), PAPER, np.uint8)
    for place, picture in enumerate(panels):
        row, column = divmod(place, columns)
        y, x = row * (high + GAP), column * (wide + between)
        sheet[y : y + high, x : x + wide] = picture
    return sheet


def file_name(title: str) -> str:
    """Of a picture with this title."""
    return re.sub(r"[^\w+.=(),-]", "_", title) + ".png"


def _kind(model: ModelConfig) -> str:
    return find_reduction(model.reduction.name).kind


def encode_png(picture: np.ndarray) -> bytes:
    """A BGR picture as the bytes of a PNG file."""
    done, content = cv2.imencode(".png", picture)
    if not done:
        raise RuntimeError("OpenCV could not encode a picture as PNG")
    return content.tobytes()
