"""A file as a model: evaluated and drawn with like any other."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ...pose.crops.dataset import IMAGENET_MEAN, IMAGENET_STD
from ...pose.errors import InputError
from ...pose.models.model import PoseModel
from .artifact import Artifact
from .formats import format_of
from .metadata import FileSpec, read_spec


class FileModel(nn.Module):
    """Images (B, 3, H, W), normalised as posebench's crops are, to heatmaps (B, J, h, w), as the file makes them.

    The images are turned back into what the file takes: uint8, or another normalisation. Random masks are those of the
    samples' places in the batch, 0 each where the file takes one image at a time.
    """

    def __init__(self, artifact: Artifact, spec: FileSpec):
        super().__init__()
        self.artifact, self.spec = artifact, spec

    def forward(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        given = self.given(images)
        step = self.spec.batch or len(given)
        parts = [self.artifact.run(given[start : start + step]) for start in range(0, len(given), step)]
        heatmaps = np.concatenate(parts)
        expected = (len(given), self.spec.num_keypoints, *self.spec.heatmap_size)
        if heatmaps.shape != expected:
            raise InputError(f"{self.artifact.path}: gives {heatmaps.shape}, and its metadata say {expected}")
        return torch.from_numpy(heatmaps).float()

    def given(self, images: torch.Tensor) -> np.ndarray:
        """What the file is given for images normalised as posebench's crops are."""
        spec = self.spec
        ours = (tuple(IMAGENET_MEAN.tolist()), tuple(IMAGENET_STD.tolist()))
        if not spec.raw and (spec.mean, spec.std) == ours:
            return images.numpy()
        pixels = np.rint(255 * (images.numpy() * _by_channel(IMAGENET_STD) + _by_channel(IMAGENET_MEAN))).clip(0, 255)
        if spec.raw:
            return pixels.astype(np.uint8)
        return ((pixels / 255 - _by_channel(spec.mean)) / _by_channel(spec.std)).astype(np.float32)


class SameSamples(nn.Module):
    """Eager, with the random masks that a file has: those of the samples' places in the batches that it takes."""

    def __init__(self, model: PoseModel, batch: int | None):
        super().__init__()
        self.model, self.spec, self.batch = model, model.spec, batch

    def forward(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        count = len(images)
        places = torch.arange(count) if self.batch is None else torch.zeros(count, dtype=torch.int64)
        return self.model(images, sample_ids=places.to(images.device))


def open_file(path: str | os.PathLike[str], threads: int | None = None) -> FileModel:
    """The model in a file of `posebench export`, checked against what it says of itself.

    InputError, one line, for a file of another kind, a broken or a hostile one, a missing package, and one without
    posebench's metadata.
    """
    path = Path(path)
    found = format_of(path)
    if found is None:
        raise InputError(f"{path}: is no exported model: give a file of posebench export (.onnx, .xml, .pt2)")
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    artifact = found.check(str(path)).work().read(path, threads)
    spec = read_spec(str(path), artifact.known)
    takes, gives = (spec.batch, 3, *spec.input_size), (spec.batch, spec.num_keypoints, *spec.heatmap_size)
    for what, shape, said in (("takes", artifact.input_shape, takes), ("gives", artifact.output_shape, gives)):
        wrong = len(shape) != 4 or any(None not in (a, b) and a != b for a, b in zip(shape, said, strict=True))
        if wrong:
            raise InputError(f"{path}: {what} {_shown(shape)}, and its metadata say {_shown(said)}")
    return FileModel(artifact, spec).eval()


def _by_channel(values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.float64).reshape(1, 3, 1, 1)


def _shown(shape: tuple[int | None, ...]) -> str:
    return "x".join("any" if size is None else str(size) for size in shape)
