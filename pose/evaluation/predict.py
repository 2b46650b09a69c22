"""Poses of people in a picture that has no annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..crops.affine import crop_matrix, warp_crop
from ..crops.boxes import box_to_center_scale
from ..crops.dataset import normalize
from ..crops.images import read_image
from ..errors import InputError
from ..people.detections import PERSON, picture_id
from ..reductions import MERGE, find_reduction
from .decode import decode_to_image
from .inference import InferenceOptions, evaluating, predict_heatmaps
from .oks import rescore

TOGETHER = 32  # people


@dataclass(frozen=True)
class Prediction:
    """Poses of n people in one image.

    boxes (n, 4) px; keypoints (n, J, 2) px and scores (n, J); person_scores (n,): COCO's, the box's score times the
    mean of the keypoints that count; kept (n, K): the visual tokens that the model looked at, row-major in its token
    grid, None for a model that drops none; holders (n, N): which token holds each cell, for a model that merges tokens;
    center (n, 2) px and scale (n, 2) / 200 px: where the crops lie.
    """

    image_path: Path
    boxes: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    person_scores: np.ndarray
    kept: np.ndarray | None
    center: np.ndarray
    scale: np.ndarray
    holders: np.ndarray | None = None

    def above(self, threshold: float) -> Prediction:
        """Of these people those whose score is at least `threshold`."""
        chosen = self.person_scores >= threshold
        per_person = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "image_path"}
        return replace(self, **{name: value if value is None else value[chosen] for name, value in per_person.items()})

    def results(self) -> list[dict[str, Any]]:
        """One object per person as in COCO's results (keypoints: x and y in px and score of each joint), with `bbox`
        and `file_name`; `image_id` is the number that the file is called by, or else its name."""
        joints = np.concatenate([self.keypoints, self.scores[..., None]], axis=2)
        picture = {"image_id": picture_id(self.image_path), "file_name": self.image_path.name, "category_id": PERSON}
        return [
            {**picture, "bbox": box.tolist(), "keypoints": pose.ravel().tolist(), "score": float(score)}
            for box, pose, score in zip(self.boxes, joints, self.person_scores, strict=True)
        ]


def predict_image(
    model: nn.Module,
    image_path: str | os.PathLike[str],
    boxes: Sequence[Sequence[float]] | np.ndarray | None = None,
    box_scores: Sequence[float] | np.ndarray | None = None,
    *,
    flip_test: bool = True,
    device: str | torch.device = "cpu",
    decode: str | None = None,
) -> Prediction:
    """Poses of the people in `boxes`, each (x, y, width, height) in px; by default the image holds one person. Their
    `box_scores` (by default 1) go into the people's scores.

    Random masks are drawn from a person's place in the list. Raises InputError for a broken image or an empty box,
    NumericalError where heatmaps hold NaN.
    """
    path = Path(image_path)
    image = read_image(path, follow=True)
    height, width = image.shape[:2]
    boxes = [(0, 0, width, height)] if boxes is None else boxes
    for box in boxes:
        if len(box) != 4 or not np.isfinite(box).all() or box[2] <= 0 or box[3] <= 0:
            raise InputError(f"{path}: {tuple(box)} is not a box; give x, y, width and height in pixels")
    spec = model.spec
    skeleton = spec.skeleton
    decode = decode or spec.convention
    options = InferenceOptions(flip_test=flip_test, device=device, decode=decode)
    aspect_ratio = spec.input_size[1] / spec.input_size[0]
    crops = [box_to_center_scale(box, aspect_ratio, options.crop_convention) for box in boxes]
    center = np.array([crop[0] for crop in crops]).reshape(-1, 2)
    scale = np.array([crop[1] for crop in crops]).reshape(-1, 2)
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    if not len(boxes):
        nobody = np.zeros((0, skeleton.num_keypoints, 2))
        return Prediction(path, boxes, nobody, nobody[..., 0], np.zeros(0), None, center, scale)

    size_wh = spec.input_size[1], spec.input_size[0]
    matrices = [crop_matrix(*crop, 0, size_wh, convention=options.crop_convention) for crop in crops]
    tells = hasattr(model, "kept_indices")  # a file of another runtime gives heatmaps alone
    merges = tells and find_reduction(spec.reduction.name).kind == MERGE
    parts: dict[str, list[torch.Tensor]] = {"heatmaps": [], "kept": [], "holders": []}
    with evaluating(model, device):
        for sample_ids in torch.arange(len(crops), device=device).split(TOGETHER):
            own = [normalize(warp_crop(image, matrices[index], size_wh)) for index in sample_ids.tolist()]
            images = torch.from_numpy(np.stack(own)).to(device)
            parts["heatmaps"].append(predict_heatmaps(model, images, sample_ids, skeleton, options))
            if tells:
                parts["kept"].append(model.kept_indices(images, sample_ids))
            if merges:
                parts["holders"].append(model.token_holders(images, sample_ids))
    heatmaps, kept, holders = (torch.cat(part).cpu().numpy() if part else None for part in parts.values())
    found = decode_to_image(heatmaps, center, scale, decode, options.crop_convention)
    kept = None if kept is None or kept.shape[1] == spec.tokens_total else kept
    person_scores = rescore(found[..., 2], np.ones(len(boxes)) if box_scores is None else np.asarray(box_scores))
    return Prediction(path, boxes, found[..., :2], found[..., 2], person_scores, kept, center, scale, holders)
