"""The people whose pose each reduction loses most, drawn: one sheet per reduction in plots/people/.

Which images lose most is known from the evidence that the cells' evaluations left; only the people in these few are run
through both models again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

from ..pose.crops.affine import apply_affine, crop_matrix, warp_crop
from ..pose.crops.dataset import PoseDataset
from ..pose.crops.images import read_image
from ..pose.crops.person import DataSplit, Person
from ..pose.evaluation.draw import draw_skeleton, shade_dropped, show_merged
from ..pose.evaluation.inference import InferenceOptions, predict_people
from ..pose.files import write_atomic
from ..pose.keypoints import Skeleton
from ..pose.models.model import PoseModel
from ..pose.reductions import CUT, MERGE, find_reduction
from .config import CellConfig
from .data import load_judged
from .events import Event, Listener, ignore
from .pictures import GAP, PANEL_HEIGHT, PAPER, arranged, encode_png, file_name
from .plan import Plan
from .results import read_evidence
from .store import SweepStore
from .work import evaluated_model

PEOPLE, IMAGES, COLUMNS = 6, 24, 2
CAPTION, INK = 18, (60, 60, 60)
#: of keypoints that have none of their own (data sets that are not judged by OKS)
SIGMA = 0.079


def draw_lost_people(store: SweepStore, plan: Plan, on_event: Listener = ignore) -> list[Path]:
    """A sheet for the deepest ratio of each reduction, from the first seed's models; returns the files written. A
    reduction that loses nobody has none."""
    files = []
    pairs = list(_pairs(store, plan))
    for number, (cell, base) in enumerate(pairs):
        model, unmasked = (evaluated_model(store, plan.request, one, plan.data.root) for one in (cell, base))
        split = load_judged(plan.data, model.spec)
        evidence = [read_evidence(store, one.key) for one in (base, cell)]
        people = people_of(split, worst_images(*evidence))
        if people:
            prefix = f"{cell.model.name}_" if len(plan.request.models) > 1 else ""
            file = store.root / "plots" / "people" / file_name(f"{prefix}{cell.model.mask}_{cell.ratio:g}")
            how = cell.eval
            options = InferenceOptions(flip_test=how.flip_test, decode=how.decode)
            if sheet := lost_sheet(unmasked, model, people, model.spec.skeleton, options):
                write_atomic(file, encode_png(sheet[0]))
                files.append(file)
        on_event(Event("progress", "lost_people", cell.model.mask, number + 1, len(pairs)))
    return files


def worst_images(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> list[str]:
    """The images that lose most from one evaluation to the other, worst first, as text; none that loses nothing.

    Of AP what counts is at how many of the ten thresholds of OKS a person is matched, of PCKh the joints found.
    """
    lost = _hits(before) - _hits(after)
    order = np.argsort(-lost, kind="stable")[:IMAGES]
    return [str(before["images"][index]) for index in order if lost[index] > 0]


def _hits(evidence: Mapping[str, np.ndarray]) -> np.ndarray:
    """(I,) what was found in each image."""
    if not evidence:
        return np.zeros(0)
    if "found" in evidence:
        return evidence["found"].astype(np.float64)
    matched = (evidence["matched"] & ~evidence["ignored"]).sum(axis=0)
    return np.bincount(evidence["image"], weights=matched, minlength=len(evidence["images"]))


def people_of(split: DataSplit, images: list[str]) -> list[Person]:
    """The annotated people of these images."""
    wanted = set(images)
    return [
        person
        for person in split.people
        if wanted & {str(person.image_id), person.image_path.name} and person.labelled is not None
        and len(person.labelled)
    ]  # fmt: skip


def lost_sheet(
    unmasked: PoseModel, model: PoseModel, people: list[Person], skeleton: Skeleton, options: InferenceOptions
) -> tuple[np.ndarray, list[float]] | None:
    """BGR picture of the people who lose most similarity, and by how much each; None where nobody loses any.

    For each: the annotated joints on what the mask leaves of the crop, the unmasked model's pose, the masked model's,
    with their similarity to the annotation.
    """
    poses = [predict_people(one, people, skeleton, options)[0] for one in (unmasked, model)]
    likeness = np.array(
        [[similarity(pose, one, skeleton) for pose, one in zip(every, people, strict=True)] for every in poses]
    )
    lost = likeness[0] - likeness[1]
    worst = [index for index in np.argsort(-lost, kind="stable")[:PEOPLE] if lost[index] > 0]
    if not worst:
        return None
    tokens = _tokens(model, [people[index] for index in worst], skeleton, options)
    height, width = model.spec.input_size
    panel = (round(PANEL_HEIGHT * width / height), PANEL_HEIGHT)
    strips = []
    for index, shown in zip(worst, tokens, strict=True):
        person = people[index]
        matrix = crop_matrix(person.center, person.scale, 0, panel)
        crop = warp_crop(read_image(person.image_path), matrix, panel)
        left = shown(crop)
        draw_skeleton(left, apply_affine(person.keypoints, matrix), person.visible > 0, skeleton)
        panels = [_captioned(left, "annotated")]
        for words, every, row in (("unmasked", poses[0], 0), ("masked", poses[1], 1)):
            picture = crop.copy()
            draw_skeleton(picture, apply_affine(every[index, :, :2], matrix), person.visible > 0, skeleton)
            panels.append(_captioned(picture, f"{words} {likeness[row, index]:.2f}"))
        strips.append(np.concatenate(panels, axis=1))
    return arranged(strips, COLUMNS, 3 * GAP), [float(lost[index]) for index in worst]


def similarity(pose: np.ndarray, person: Person, skeleton: Skeleton) -> float:
    """Object keypoint similarity of a pose (J, 2 or more) to a person's annotated joints, 0 to 1, as COCO has it.

    Where no area is annotated it is half of the box's, where no sigma is known SIGMA.
    """
    seen = person.visible > 0
    area = person.area or float(np.prod(person.scale * 200 / 1.25)) / 2
    sigmas = np.array(skeleton.oks_sigmas) if skeleton.oks_sigmas else np.full(len(seen), SIGMA)
    squared = ((pose[:, :2] - person.keypoints) ** 2).sum(axis=1)
    return float(np.exp(-squared / (2 * area * (2 * sigmas) ** 2))[seen].mean())


def _pairs(store: SweepStore, plan: Plan) -> Iterator[tuple[CellConfig, CellConfig]]:
    """Each reduction's deepest cell with its unmasked one."""
    baselines = {cell.group: cell for cell in plan.cells if cell.is_baseline and store.is_done(cell.key)}
    deepest: dict[tuple[str, str], CellConfig] = {}
    for cell in plan.cells:
        if not cell.evaluates or cell.is_baseline or cell.is_elastic or not store.is_done(cell.key):
            continue
        place = cell.model.name, cell.model.mask
        if place not in deepest or cell.ratio > deepest[place].ratio:
            deepest[place] = cell
    for cell in deepest.values():
        if cell.group in baselines:
            yield cell, baselines[cell.group]


def _tokens(model: PoseModel, people: list[Person], skeleton: Skeleton, options: InferenceOptions):
    """For each person a function that draws on a copy of the crop what the mask leaves of it."""
    kind = find_reduction(model.spec.reduction.name).kind
    if kind == CUT:  # all tokens stay
        return [np.copy] * len(people)
    spec = model.spec
    sizes = spec.input_size, spec.heatmap_size, spec.sigma
    data = PoseDataset(people, skeleton, *sizes, convention=options.crop_convention)
    items = [data[index] for index in range(len(people))]
    look, draw = (model.token_holders, show_merged) if kind == MERGE else (model.kept_indices, shade_dropped)
    with torch.no_grad():
        images = torch.stack([item["image"] for item in items])
        chosen = look(images, torch.tensor([item["person_id"] for item in items])).numpy()
    return [lambda crop, own=own: draw(crop, own, spec.grid) for own in chosen]


def _captioned(panel: np.ndarray, text: str) -> np.ndarray:
    framed = np.full((panel.shape[0] + CAPTION, panel.shape[1] + GAP, 3), PAPER, np.uint8)
    framed[CAPTION:, : panel.shape[1]] = panel
    cv2.putText(framed, text, (1, CAPTION - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return framed
