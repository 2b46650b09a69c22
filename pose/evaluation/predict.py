"""Poses of people in a picture that has no annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..data.boxes import box_to_center_scale
from ..data.dataset import PoseDataset
from ..data.images import read_image
from ..data.person import Person
from ..errors import InputError
from ..keypoints import SKELETONS
from .decode import decode_to_image
from .inference import InferenceOptions, evaluating, predict_heatmaps


@dataclass(frozen=True)
class Prediction:
    """Poses of n people in one image.

    keypoints (n, J, 2) px and scores (n, J); kept (n, K): the visual tokens that the model looked at, row-major in its
    token grid, None for a model that drops none; holders (n, N): which token holds each cell, for a model that merges
    tokens; center (n, 2) px and scale (n, 2) / 200 px: where the crops lie.
    """

    image_path: Path
    keypoints: np.ndarray
    scores: np.ndarray
    kept: np.ndarray | None
    center: np.ndarray
    scale: np.ndarray
    holders: np.ndarray | None = None


def predict_image(
    model: nn.Module,
    image_path: str | os.PathLike[str],
    boxes: Sequence[Sequence[float]] | None = None,
    *,
    flip_test: bool = True,
    device: str | torch.device = "cpu",
    decode: str | None = None,
) -> Prediction:
    """Poses of the people in `boxes`, each (x, y, width, height) in px; by default the image holds one person.

    Random masks are drawn from a person's place in the list. Raises InputError for a broken image or an empty box,
    NumericalError where heatmaps hold NaN.
    """
    path = Path(image_path)
    height, width = read_image(path).shape[:2]
    boxes = [(0, 0, width, height)] if boxes is None else boxes
    for box in boxes:
        if len(box) != 4 or not np.isfinite(box).all() or box[2] <= 0 or box[3] <= 0:
            raise InputError(f"{path}: {tuple(box)} is not a box; give x, y, width and height in pixels")
    spec = model.spec
    skeleton = SKELETONS[spec.dataset]
    decode = decode or spec.convention
    options = InferenceOptions(flip_test=flip_test, device=device, decode=decode)
    aspect_ratio = spec.input_size[1] / spec.input_size[0]
    crops = [box_to_center_scale(box, aspect_ratio, options.crop_convention) for box in boxes]
    center = np.array([crop[0] for crop in crops]).reshape(-1, 2)
    scale = np.array([crop[1] for crop in crops]).reshape(-1, 2)
    if not len(boxes):
        nobody = np.zeros((0, skeleton.num_keypoints, 2))
        return Prediction(path, nobody, nobody[..., 0], None, center, scale)

    people = [Person(path, 0, index, *crop, None, None) for index, crop in enumerate(crops)]
    dataset = PoseDataset(
        people, skeleton, spec.input_size, spec.heatmap_size, spec.sigma, convention=options.crop_convention
    )
    images = torch.stack([dataset[index]["image"] for index in range(len(people))]).to(device)
    sample_ids = torch.arange(len(people), device=device)
    with evaluating(model, device):
        heatmaps = predict_heatmaps(model, images, sample_ids, skeleton, options)
        kept = model.kept_indices(images, sample_ids)
        holders = model.token_holders(images, sample_ids).cpu().numpy() if spec.mask == "tome" else None
    found = decode_to_image(heatmaps.cpu().numpy(), center, scale, decode, options.crop_convention)
    kept = None if kept is None or kept.shape[1] == spec.tokens_total else kept.cpu().numpy()
    return Prediction(path, found[..., :2], found[..., 2], kept, center, scale, holders)
