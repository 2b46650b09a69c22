"""A training run small enough for a test: six-millisecond steps of a model with a random mask, on drawn pictures.

`python tiny_run.py FOLDER epoch N` runs it as a process that kills itself in the middle of epoch N,
`python tiny_run.py FOLDER save N` one that does so while it writes its N-th file.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from posebench.pose.crops.augment import SYNTH_AUGMENTATION
from posebench.pose.crops.person import DataSplit, Person
from posebench.pose.datasets.coco import COCO
from posebench.pose.training.loop import TrainingResult, train
from posebench.pose.training.recipe import TrainingRecipe

RECIPE = TrainingRecipe(
    epochs=4, batch_size=8, learning_rate=3e-3, optimizer="adamw", weight_decay=0.01, schedule="cosine",
    warmup_steps=2, clip_norm=5.0, loss="sum_squares", augment=SYNTH_AUGMENTATION, seed=3,
)  # fmt: skip


class TinyTransformer(nn.Module):
    """Tokens, of which a random half is silenced in training."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(12)
        self.positions = nn.Parameter(torch.linspace(-1, 1, 48 * 12).view(1, 48, 12), requires_grad=False)
        self.joint_token = nn.Parameter(torch.zeros(1, 17, 12))
        self.head = nn.Linear(12, 48)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        tokens = self.norm(features.flatten(2).transpose(1, 2)) + self.positions
        if self.training:
            tokens = tokens * (torch.rand(tokens.shape[:2], device=tokens.device) < 0.5)[..., None]
        attention = (self.joint_token @ tokens.transpose(1, 2)).softmax(dim=2)
        return self.head(self.joint_token + attention @ tokens).unflatten(2, (8, 6))


class TinyModel(nn.Module):
    """32x24 crops to 8x6 heatmaps, with batch norm and a frozen position table."""

    def __init__(self, variant: str = "plain") -> None:
        super().__init__()
        self.spec = SimpleNamespace(
            name="tiny", dataset="coco", num_keypoints=17, input_size=(32, 24), heatmap_size=(8, 6), sigma=1.0,
            grid=(8, 6), convention="dark", skeleton=COCO.skeleton,
            create_arguments=lambda: {"name": "tiny", "variant": variant},
        )  # fmt: skip
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.backbone = nn.Sequential(nn.Conv2d(3, 12, 4, stride=4), nn.BatchNorm2d(12), nn.ReLU())
            self.transformer = TinyTransformer()

    def forward(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        return self.transformer(self.backbone(images))


def draw_people(folder: Path, count: int = 20) -> DataSplit:
    """`count` pictures of a figure of coloured dots, one for each joint, somewhere on a grey ground."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(5)
    colours = random.integers(0, 256, (17, 3)).tolist()
    people = []
    for number in range(count):
        picture = np.full((80, 60, 3), 128, np.uint8)
        joints = random.uniform((8, 8), (52, 72), (17, 2))
        for colour, joint in zip(colours, joints, strict=True):
            cv2.circle(picture, tuple(int(v) for v in joint.round()), 4, colour, -1)
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), picture)
        people.append(
            Person(path, number, 100 + number, np.array([29.5, 39.5]), np.array([60, 80]) / 200, joints, np.ones(17))
        )
    return DataSplit(COCO, folder, "train", people, folder / "annotations.json", "gt")


def run(
    folder: Path, *, model: nn.Module | None = None, recipe: TrainingRecipe = RECIPE, people: int = 20, **options: Any
) -> TrainingResult:
    """Train a TinyModel on `draw_people` in `folder`/run, on one thread."""
    torch.set_num_threads(1)
    data = draw_people(folder / "pictures", people)
    return train(model or TinyModel(), data, None, recipe, folder / "run", **options)


def die_in_epoch(epoch: int, model: nn.Module) -> None:
    """Kill this process in the second training step of `epoch` (from 1; epochs have three steps)."""
    forward_passes = 1 + 3 * (epoch - 1) + 2  # one for the loss before the first step
    seen = []

    def count(*_: object) -> None:
        seen.append(1)
        if len(seen) == forward_passes:
            os.kill(os.getpid(), signal.SIGKILL)

    model.register_forward_hook(count)


def die_while_saving(saves: int) -> None:
    """Kill this process when it has written all but the end of its `saves`-th file."""
    seen = []

    def stop(_: int) -> None:
        seen.append(1)
        if len(seen) == saves:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = stop


if __name__ == "__main__":
    moment, number = sys.argv[2], int(sys.argv[3])
    tiny = TinyModel()
    if moment == "epoch":
        die_in_epoch(number, tiny)
    else:
        die_while_saving(number)
    run(Path(sys.argv[1]), model=tiny)
