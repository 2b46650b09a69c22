"""A pose model as a file for another runtime, with what a reader of its heatmaps needs to know, and the proof that it
computes the same.

In the file a reduction chooses by top-k and merges by products (see pose/reductions/groups.py), so that nothing in it
sorts stably or scatters. Random masks are those of the sample ids 0, 1, ... in the batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...pose.crops.dataset import IMAGENET_MEAN, IMAGENET_STD
from ...pose.models.model import PoseModel
from ..runtimes.exporter import check_exporter
from ..runtimes.onnx_file import quiet
from .artifact import Artifact
from .formats import find_format
from .layers import layers_of
from .metadata import as_text, metadata

#: at which a file for any batch is compared too: OpenVINO has been seen to go wrong from the twentieth image on
LARGER_BATCH = 24


class Normalisation(nn.Module):
    """uint8 RGB images to what the model takes."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            scaled = torch.tensor(255 * values, dtype=torch.float32).view(1, 3, 1, 1)
            self.register_buffer(name, scaled, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images.float() - self.mean) / self.std


class Deployed(nn.Module):
    """The model behind its input: images (B, 3, H, W), RGB, normalised float32, or with `normalise` uint8 as read."""

    def __init__(self, model: PoseModel, normalise: bool):
        super().__init__()
        self.normalisation = Normalisation() if normalise else None
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images if self.normalisation is None else self.normalisation(images))

    def example(self, batch: int) -> torch.Tensor:
        """Made-up images that are the same each time."""
        generator = torch.Generator().manual_seed(11)
        size = (batch, 3, *self.model.spec.input_size)
        if self.normalisation is not None:
            return torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
        return torch.randn(size, generator=generator)

    def program(self, dynamic_batch: bool) -> Any:
        """The torch.export program, of one image or of any number."""
        check_exporter()
        # An example of one would fix the size of a batch.
        images = self.example(2 if dynamic_batch else 1)
        shapes = {"images": {0: torch.export.Dim("batch")}} if dynamic_batch else None
        with torch.no_grad(), quiet():
            return torch.export.export(self, (images,), dynamic_shapes=shapes)


def export(
    model: PoseModel, path: Path, runtime: str, *, dynamic_batch: bool = False, normalise: bool = False
) -> float:
    """Write the model, in evaluation, for a runtime to `path` (and what goes with it beside it), and return the largest
    difference of a heatmap value between the file, read again, and the model, on made-up images.

    dynamic_batch: any batch size, else 1. normalise: the file takes uint8 images and normalises them itself.
    InputError for a missing package, or a model that is too large for one file.
    """
    find_format(runtime)
    deployed = Deployed(model, normalise).eval()
    return write_program(deployed, deployed.program(dynamic_batch), path, runtime, dynamic_batch)[0]


def write_program(
    deployed: Deployed, program: Any, path: Path, runtime: str, dynamic_batch: bool
) -> tuple[float, Artifact]:
    """The same of a program made already; also the file, open."""
    known = metadata(deployed.model, dynamic_batch=dynamic_batch, normalise=deployed.normalisation is not None)

    def describe(artifact: Artifact) -> dict[str, str]:
        return as_text({"layers": layers_of(artifact, deployed, deployed.example(1))})

    form = find_format(runtime).work()
    with torch.no_grad(), quiet():
        form.write(program, path, as_text(known | {"runtime": runtime}), describe)
        artifact: Artifact = form.read(path)
        batches = [deployed.example(batch) for batch in ((1, LARGER_BATCH) if dynamic_batch else (1,))]
        apart = [np.abs(artifact.run(batch.numpy()) - deployed(batch).numpy()).max() for batch in batches]
    return float(np.max(apart)), artifact  # NaN if any is
