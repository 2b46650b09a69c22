"""What an image costs as deployed: its people cropped, run through the network together and decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from ...pose.crops.affine import crop_matrix, warp_crop
from ...pose.crops.boxes import box_to_center_scale
from ...pose.crops.dataset import normalize
from ...pose.evaluation.decode import convention_of, decode_to_image
from ...pose.evaluation.flip import average_flipped
from ...pose.models.config import ModelConfig, ModelSpec
from ...pose.models.model import PoseModel
from ...pose.models.zoo import create_model
from ..instruments.allocator import keep_freed_memory
from ..instruments.device import check_count, torch_threads, use_device
from ..instruments.latency import LatencySamples, measure_latency
from ..instruments.statistics import ratio_of_medians
from ..runtimes.descriptor import INT8
from ..runtimes.prepared import Prepared, Task, prepare
from .config import ProfileConfig, RunConfig
from .in_runtime import check_equal
from .models import check_room_for, crops_for, example_images, unmasked_of

IMAGE_SIZE = (480, 640)  # (H, W) px
STAGES = ("image", "network", "crop", "decode")


class Deployed:
    """One model in one runtime on one picture with some people.

    flip: the network runs on the mirrored crops, too, and both answers are averaged. method: of decode.py. The picture
    (480 x 640, made up) lies in memory; reading it is not a model's matter.
    """

    def __init__(self, spec: ModelSpec, prepared: Prepared, people: int, *, flip: bool, method: str):
        self.spec, self.prepared, self.flip, self.method = spec, prepared, flip, method
        self.convention = convention_of(method)
        generator = np.random.default_rng(0)
        self.picture = generator.integers(0, 256, (*IMAGE_SIZE, 3), dtype=np.uint8)
        places = [(40 + 8 * n % 400, 20 + 5 * n % 100, 90 + 7 * n % 80, 220 + 11 * n % 120) for n in range(people)]
        height, width = spec.input_size
        self.boxes = places  # x, y, width, height
        boxes = [box_to_center_scale(place, width / height, self.convention) for place in places]
        self.center, self.scale = (np.array([box[number] for box in boxes]) for number in range(2))
        self.ids = torch.arange(people)
        self._crops = self.crop()
        self._maps = self.network().numpy()

    def crop(self) -> torch.Tensor:
        """The people's crops (n, 3, H, W), normalised."""
        size = self.spec.input_size[1], self.spec.input_size[0]
        crops = np.empty((len(self.center), 3, *self.spec.input_size), np.float32)
        for out, center, scale in zip(crops, self.center, self.scale, strict=True):
            matrix = crop_matrix(center, scale, 0.0, size, convention=self.convention)
            out[:] = normalize(warp_crop(self.picture, matrix, size))
        return torch.from_numpy(crops)

    def network(self, crops: torch.Tensor | None = None) -> torch.Tensor:
        """Their heatmaps (n, J, h, w), on the CPU; crops: None for those made before."""
        crops = self._crops if crops is None else crops
        maps = self.prepared.run(crops, self.ids)
        if self.flip:
            mirrored = self.prepared.run(crops.flip(-1).contiguous(), self.ids)
            maps = average_flipped(maps, mirrored, self.spec.skeleton)
        return maps

    def decode(self, maps: np.ndarray | None = None) -> np.ndarray:
        """Their keypoints (n, J, 3) in the picture."""
        maps = self._maps if maps is None else maps
        return decode_to_image(maps, self.center, self.scale, self.method, self.convention)

    def image(self) -> np.ndarray:
        """All of it."""
        return self.decode(self.network(self.crop()).numpy())


def profile_deployed(
    chosen: Sequence[ModelConfig],
    how: ProfileConfig,
    *,
    people: Sequence[int] = (1,),
    flip: bool = False,
    decode: str | None = None,
    progress: Callable[..., object] | None = None,
) -> list[dict[str, Any]]:
    """One row per configuration, runtime, precision and number of people in the image, all of one number interleaved.

    ms_per_image with its IQR and its stages (network_ms, crop_ms, decode_ms; medians, each alone), and what is saved
    against the unmasked configuration in the same runtime: saved_network, and saved_deployed with its interval.
    decode: of decode.py (None: the model's own). InputError for an unequal runtime, and as `profile`.
    """
    device, runs = use_device(how.run.device, tf32=how.run.tf32), how.runs()[0]
    counts = [check_count("--people", count) for count in people]
    keep_freed_memory()
    models = {config: create_model(config).eval() for config in chosen}
    check_room_for(models.values(), max(counts))
    rows: list[dict[str, Any]] = []
    with torch_threads(how.run.threads):
        for number, count in enumerate(counts):
            subjects: dict[tuple[ModelConfig, RunConfig], Deployed] = {}
            for config, model in models.items():
                for run in runs:
                    prepared = _prepared(model, run, count, device, how)
                    method = decode or model.spec.convention
                    subjects[config, run] = Deployed(model.spec, prepared, count, flip=flip, method=method)
            calls = {(key, stage): getattr(subject, stage) for key, subject in subjects.items() for stage in STAGES}
            clock = measure_latency(
                calls,
                device="cpu",  # every stage ends there
                max_samples=how.samples,
                max_seconds=how.seconds,
                threads=how.run.threads,
                progress=progress and partial(progress, stage=f"{count} people ({number + 1} of {len(counts)})"),
            )
            for (config, run), subject in subjects.items():
                base = unmasked_of(config, chosen)
                times = {stage: clock[(config, run), stage] for stage in STAGES}
                others = None if base is None else {stage: clock[(base, run), stage] for stage in STAGES}
                rows.append(_row(subject, run, count, times, others))
    return rows


def _prepared(model: PoseModel, run: RunConfig, count: int, device: torch.device, how: ProfileConfig) -> Prepared:
    inputs = example_images(model, count), torch.arange(count)
    crops = crops_for(model.spec, (run,), how.data) if run.dtype == INT8 else None
    calibration = crops.inputs if crops else []
    prepared = prepare(run.runtime, Task(model, inputs, run.dtype, device, how.run.threads, calibration))
    check_equal(model, prepared, run, inputs[0])
    return prepared


def _row(
    subject: Deployed,
    run: RunConfig,
    count: int,
    times: dict[str, LatencySamples],
    others: dict[str, LatencySamples] | None,
) -> dict[str, Any]:
    spec, whole = subject.spec, times["image"].summary
    ms = {stage: 1e3 * samples.summary.median for stage, samples in times.items()}
    row: dict[str, Any] = {
        "model": spec.name, "mask": spec.mask, "mask_ratio": spec.mask_ratio, "runtime": run.runtime,
        "dtype": run.dtype, "people": count, "flip": subject.flip, "decode": subject.method,
        "ms_per_image": ms["image"], "ms_per_image_iqr": 1e3 * whole.iqr, "network_ms": ms["network"],
        "crop_ms": ms["crop"], "decode_ms": ms["decode"], "network_share": ms["network"] / ms["image"],
        "saved_network": None, "saved_deployed": None, "saved_deployed_low": None, "saved_deployed_high": None,
    }  # fmt: skip
    if others is not None:
        network, _, _ = ratio_of_medians(times["network"].seconds, others["network"].seconds)
        ratio, low, high = ratio_of_medians(times["image"].seconds, others["image"].seconds)
        row |= {"saved_network": 1 - network, "saved_deployed": 1 - ratio}
        row |= {"saved_deployed_low": None if high is None else 1 - high}
        row |= {"saved_deployed_high": None if low is None else 1 - low}
    return row | {"unstable": times["image"].unstable, "samples": whole.n, "threads": times["image"].threads}
