"""From people's crops to their keypoints in the image: the model, the flip test and the decoding, batch by batch."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import starmap
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from ..crops.dataset import PoseDataset
from ..crops.loading import ErrorsAsItems, collate
from ..crops.person import Person
from ..errors import InputError, NumericalError
from ..keypoints import Skeleton
from ..ranks import ALONE, Ranks
from .decode import convention_of, decode_to_image
from .flip import average_flipped

Progress = Callable[..., None]
Item = TypeVar("Item")
AHEAD = 2  # batches whose heatmaps wait for the decoding thread
GPU_WORKERS = 4


@dataclass(frozen=True)
class InferenceOptions:
    """How heatmaps are made and read.

    `decode`: a method of decode.py; the crops are of the convention that belongs to it.
    `shift`: HRNet's shift of the mirrored maps by one column.
    """

    flip_test: bool = True
    decode: str = "dark"
    shift: bool = False
    device: str | torch.device = "cpu"

    @property
    def crop_convention(self) -> str:
        return convention_of(self.decode)


@contextlib.contextmanager
def evaluating(model: nn.Module, device: str | torch.device) -> Iterator[nn.Module]:
    """The model on `device`, in evaluation mode and without gradients; afterwards each module's mode is what it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.to(device).eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        for module, training in modes:
            module.training = training


def predict_heatmaps(
    model: nn.Module,
    images: torch.Tensor,
    sample_ids: torch.Tensor,
    skeleton: Skeleton,
    options: InferenceOptions,
) -> torch.Tensor:
    """Float32 heatmaps (B, J, h, w) of images (B, 3, H, W), averaged with those of their mirror images if asked for.

    `sample_ids` (B,) decide a random mask, the same one for both. Raises NumericalError where the model gives NaN or
    infinity.
    """
    images, sample_ids = images.to(options.device, non_blocking=True), sample_ids.to(options.device)
    heatmaps = model(images, sample_ids=sample_ids).float()
    if options.flip_test:
        flipped = model(images.flip(-1), sample_ids=sample_ids).float()
        heatmaps = average_flipped(heatmaps, flipped, skeleton, shift=options.shift)
    finite = torch.isfinite(heatmaps).flatten(1).all(dim=1)
    if not finite.all():
        first = int(sample_ids[~finite][0])
        raise NumericalError(
            f"the model's heatmaps hold NaN or infinity for {int((~finite).sum())} of {len(images)} people of a batch "
            f"(first: person {first}); the weights are broken, or the precision is too low"
        )
    return heatmaps


def predict_people(
    model: nn.Module,
    people: Sequence[Person],
    skeleton: Skeleton,
    options: InferenceOptions,
    *,
    batch_size: int = 32,
    workers: int = 0,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> tuple[np.ndarray, float | None]:
    """Keypoints (n, J, 3), x and y in image px and score, of all people, and the loss.

    Several `ranks` take the batches by turns and all get the result. The batches stay whole, since the last digit of a
    convolution depends on them.

    The loss is the mean over people of half the mean squared error of weighted heatmaps, the quantity that the HRNet
    family trains; None where nothing is annotated. Raises InputError for a broken image, NumericalError for NaN.
    """
    spec = model.spec
    sizes = spec.input_size, spec.heatmap_size, spec.sigma
    dataset = PoseDataset(people, skeleton, *sizes, convention=options.crop_convention, keep_image=True)
    center, scale = np.array([p.center for p in people]), np.array([p.scale for p in people])
    keypoints = np.zeros((len(people), skeleton.num_keypoints, 3))
    starts = range(0, len(people), batch_size)
    done, losses, annotated = 0, np.zeros(len(starts)), np.zeros(1)
    own = range(ranks.rank, len(starts), ranks.size)  # batches
    with evaluating(model, options.device):

        def heatmaps_of(batches: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, Any, torch.Tensor]]:
            for number, batch in batches:
                heatmaps = predict_heatmaps(model, batch["image"], batch["person_id"], skeleton, options)
                yield number, batch, heatmaps.cpu()

        def read(number: int, batch: dict[str, Any], heatmaps: torch.Tensor) -> tuple[int, int, float]:
            here = slice(starts[number], starts[number] + len(heatmaps))
            keypoints[here] = decode_to_image(
                heatmaps.numpy(), center[here], scale[here], options.decode, options.crop_convention
            )
            losses[number] = weighted_loss(heatmaps, batch["target"], batch["target_weight"]) * len(heatmaps)
            return number, len(heatmaps), float(batch["target_weight"].sum())

        on_gpu = is_gpu(options.device)
        batches = zip(own, _batches(dataset, batch_size, workers, own, on_gpu), strict=True)
        results = _beside(read, heatmaps_of(batches)) if on_gpu else starmap(read, heatmaps_of(batches))
        for number, count, weight in results:
            annotated += weight
            done += count
            if progress is not None:  # the thread may have read further
                progress(min(done * ranks.size, len(people)), len(people), loss=losses[: number + 1].sum() / done)
    keypoints, losses, annotated = (ranks.sum_array(values) for values in (keypoints, losses, annotated))
    return keypoints, float(losses.cumsum()[-1]) / len(people) if annotated.any() else None


def is_gpu(device: str | torch.device) -> bool:
    """Whether the CPU is free for other work while batches are computed."""
    return torch.device(device).type == "cuda"


def _beside(read: Callable[..., Item], batches: Iterable[tuple[Any, ...]]) -> Iterator[Item]:
    """What `read` gives for each batch, in their order, from a thread beside the next batches' heatmaps."""
    with ThreadPoolExecutor(1, "decoding") as thread:
        waiting: deque[Future[Item]] = deque()
        for batch in batches:
            waiting.append(thread.submit(read, *batch))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def weighted_loss(heatmaps: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> float:
    """Half the mean of (w (o - t))^2 over heatmaps and targets (B, J, h, w) with weights (B, J, 1)."""
    return 0.5 * float((weight[..., None] * (heatmaps - target)).square().mean())


def _batches(
    dataset: PoseDataset, batch_size: int, workers: int, own: range, for_gpu: bool = False
) -> Iterator[dict[str, Any]]:
    """for_gpu: in pinned memory, and where no `workers` are asked for from some loader processes all the same, since a
    GPU would wait for the one that feeds it."""
    indices = [range(len(dataset))[number * batch_size : (number + 1) * batch_size] for number in own]
    if for_gpu and not workers:
        workers = min(GPU_WORKERS, len(indices), max((os.cpu_count() or 1) - 1, 0))
    loader = DataLoader(
        ErrorsAsItems(dataset), batch_sampler=indices, num_workers=workers, collate_fn=collate, pin_memory=for_gpu
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield batch
