"""Crops of people that a runtime is calibrated on, or compared on."""

from __future__ import annotations

from pathlib import Path

import torch

from ...pose.crops.dataset import PoseDataset
from ...pose.models.config import ModelSpec
from ...pose.people.folder import load_people
from ...pose.synth.cache import ensure_default_set

CALIBRATION, COMPARED = 32, 8


def load_crops(data: str | Path | None, split: str, spec: ModelSpec, count: int) -> torch.Tensor:
    """(count or fewer, 3, H, W) crops as a model takes them, spread over a split of a data folder (None: the embedded
    set, made if need be). InputError for a folder that is none."""
    size, convention = spec.input_size, spec.convention
    people = load_people(data or ensure_default_set(), split, input_size=size, convention=convention)
    skeleton = people.dataset.skeleton
    dataset = PoseDataset(people.people, skeleton, size, spec.heatmap_size, spec.sigma, convention=convention)
    places = torch.linspace(0, len(dataset) - 1, min(count, len(dataset))).int().tolist()
    return torch.stack([torch.as_tensor(dataset[place]["image"]) for place in places])
