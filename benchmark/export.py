"""A pose model as a file for another runtime, with what a reader of its heatmaps needs to know, and the proof that it
computes the same.

In the file a reduction chooses by top-k and merges by products (see pose/reductions/groups.py), so that nothing in it
sorts stably or scatters. Random masks are those of the sample ids 0, 1, ... in the batch.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..pose.crops.dataset import IMAGENET_MEAN, IMAGENET_STD
from ..pose.errors import InputError
from ..pose.models.model import PoseModel
from .counting.flops import flops_row
from .instruments.environment import conditions

#: runtime -> packages that writing and checking its file takes
RUNTIMES = {"onnx": ("onnx", "onnxruntime", "onnxscript"), "torch": ()}
#: largest difference of a heatmap value at which two float32 runtimes count as equal
TOLERANCE = 1e-4
DECODING = (
    "heatmaps[b, j] is the map of keypoint j. The highest value is its score; its pixel (x, y), centres at whole "
    "numbers, refined by DARK's Taylor step on the smoothed logarithm (or a quarter pixel towards the larger "
    "neighbour), times input_size / heatmap_size, is its place in the crop."
)
PROVENANCE = ("posebench_version", "git_revision", "git_dirty", "torch_version", "date_utc")
LARGEST_ONNX = 2**31 - 2**20  # one protobuf file


class Deployed(nn.Module):
    """The model behind its input: images (B, 3, H, W), RGB, normalised float32, or with `normalise` uint8 as read."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: PoseModel, normalise: bool):
        super().__init__()
        self.model, self.normalise = model, normalise
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            scaled = torch.tensor(255 * values, dtype=torch.float32).view(1, 3, 1, 1)
            self.register_buffer(name, scaled, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.normalise:
            images = (images.float() - self.mean) / self.std
        return self.model(images)

    def example(self, batch: int) -> torch.Tensor:
        """Made-up images that are the same each time."""
        generator = torch.Generator().manual_seed(11)
        size = (batch, 3, *self.model.spec.input_size)
        if self.normalise:
            return torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
        return torch.randn(size, generator=generator)


def check_runtime(runtime: str) -> str:
    """Return the runtime; InputError where it is unknown, or a package that it takes is missing."""
    if runtime not in RUNTIMES:
        raise InputError(f"--runtime {runtime!r}: give one of {', '.join(RUNTIMES)}")
    missing = [package for package in RUNTIMES[runtime] if find_spec(package) is None]
    if missing:
        raise InputError(f"--runtime {runtime} needs {', '.join(missing)}: pip install 'posebench[export]'")
    return runtime


def export(
    model: PoseModel, path: Path, runtime: str, *, dynamic_batch: bool = False, normalise: bool = False
) -> float:
    """Write the model, in evaluation, for a runtime to `path`, and return the largest difference of a heatmap value
    between the file, read again, and the model, on made-up images.

    dynamic_batch: any batch size, else 1. normalise: the file takes uint8 images and normalises them itself.
    InputError for a missing package, or a model that is too large for one file.
    """
    check_runtime(runtime)
    deployed = Deployed(model, normalise).eval()
    weights = sum(value.numel() * value.element_size() for value in deployed.state_dict().values())
    if runtime == "onnx" and weights > LARGEST_ONNX:
        raise InputError(f"{model.spec.name} has {weights / 1e9:.1f} GB of weights: one ONNX file holds 2 GB")
    known = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in metadata(model, dynamic_batch=dynamic_batch, normalise=normalise).items()
    }
    # An example of one would fix the size of a batch.
    images = deployed.example(2 if dynamic_batch else 1)
    shapes = {"images": {0: torch.export.Dim("batch")}} if dynamic_batch else None
    with torch.no_grad(), _quiet():
        (_write_onnx if runtime == "onnx" else _write_torch)(deployed, images, shapes, known, path)
        again = _run_onnx if runtime == "onnx" else _run_torch
        batches = [deployed.example(batch) for batch in ((1, 3) if dynamic_batch else (1,))]
        return max(float(np.abs(again(path, batch) - deployed(batch).numpy()).max()) for batch in batches)


def metadata(model: PoseModel, *, dynamic_batch: bool, normalise: bool) -> dict[str, Any]:
    """What is written into the file beside the network."""
    spec, counts, made = model.spec, flops_row(model), conditions()
    skeleton = spec.skeleton
    return {
        "model": spec.name,
        "dataset": spec.dataset,
        "mask": spec.mask,
        "mask_ratio": spec.mask_ratio,
        "input_size": list(spec.input_size),
        "heatmap_size": list(spec.heatmap_size),
        "batch": "any" if dynamic_batch else 1,
        "input": "RGB uint8, 0 to 255" if normalise else "RGB, (value / 255 - mean) / std",
        "mean": IMAGENET_MEAN.tolist(),
        "std": IMAGENET_STD.tolist(),
        "keypoints": list(skeleton.keypoints),
        "flip_pairs": [list(pair) for pair in skeleton.flip_pairs],
        "decode": DECODING,
        "params": counts["params"],
        "macs": counts["macs"],
        "macs_transformer": counts["macs_transformer"],
        "tokens_total": counts["tokens_total"],
        "tokens_kept": counts["tokens_kept"],
        **{name: made[name] for name in PROVENANCE},
    }


def _write_onnx(model: Deployed, images: torch.Tensor, shapes: Any, known: dict[str, str], path: Path) -> None:
    names: dict[str, Any] = {"input_names": ["images"], "output_names": ["heatmaps"]}
    program: Any = torch.onnx.export(model, (images,), dynamo=True, verbose=False, dynamic_shapes=shapes, **names)
    program.model.metadata_props.update(known)
    program.save(str(path), external_data=False)


def _write_torch(model: Deployed, images: torch.Tensor, shapes: Any, known: dict[str, str], path: Path) -> None:
    program = torch.export.export(model, (images,), dynamic_shapes=shapes)
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={"metadata.json": json.dumps(known)})


def _run_onnx(path: Path, images: torch.Tensor) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]


def _run_torch(path: Path, images: torch.Tensor) -> np.ndarray:
    with path.open("rb") as file:
        return torch.export.load(file).module()(images).numpy()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say on their way: absent torchvision, constants that were not folded."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
