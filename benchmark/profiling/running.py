"""A pose model that another runtime executes, for whoever evaluates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...pose.models.model import PoseModel
from ..runtimes.descriptor import INT8
from ..runtimes.prepared import Inputs, Prepared, Task, prepare
from .config import RunConfig
from .crops import CALIBRATION, COMPARED, load_crops
from .in_runtime import Crops, check_equal, compare


class Running(nn.Module):
    """A model's interface: images (B, 3, H, W) and sample ids (B,), both on the CPU, -> heatmaps (B, J, h, w) there.

    model: float32, on the CPU. It is prepared for the size of its first batch; smaller ones are filled up. data: folder
    whose training crops calibrate int8 (None: the embedded set). InputError for what the runtime cannot do, and where
    it does not give eager's heatmaps in float32, or NaN in any precision.
    """

    def __init__(self, model: PoseModel, run: RunConfig, device: torch.device, data: str | None = None):
        super().__init__()
        self.spec, self.run, self.device, self.data = model.spec, run, device, data
        self._model = (model.eval(),)  # no part of this module, which is moved about
        self._prepared: tuple[int, Prepared] | None = None

    def forward(self, images: torch.Tensor, sample_ids: torch.Tensor) -> torch.Tensor:
        count = len(images)
        size, prepared = self._for(images, sample_ids)
        rows = torch.arange(size).clamp(max=count - 1)
        return prepared.run(images[rows].contiguous(), sample_ids[rows])[:count]

    def columns(self) -> dict[str, Any]:
        """What a row says of the runtime; none before the first batch."""
        assert self._prepared is not None, "nothing has run"
        return {"runtime": self.run.runtime, "dtype": self.run.dtype} | self._prepared[1].provenance().columns()

    def drift(self, data: str | None) -> Mapping[str, Any]:
        """How far it is from eager float32 on held-out crops of a data folder: the columns drift_..."""
        assert self._prepared is not None, "nothing has run"
        size, prepared = self._prepared
        compared = load_crops(data, "val", self.spec, COMPARED)
        images = compared[torch.arange(size) % len(compared)]
        return compare(self._model[0], prepared, images, Crops(compared[:0], compared, "crops of people"))

    def _for(self, images: torch.Tensor, sample_ids: torch.Tensor) -> tuple[int, Prepared]:
        if self._prepared is None or self._prepared[0] < len(images):
            calibration: list[Inputs] = []
            if self.run.dtype == INT8:
                crops = load_crops(self.data, "train", self.spec, CALIBRATION)
                calibration = Crops(crops, crops[:0], "").inputs
            example = images.contiguous(), sample_ids
            task = Task(self._model[0], example, self.run.dtype, self.device, self.run.threads, calibration)
            prepared = prepare(self.run.runtime, task)
            check_equal(self._model[0], prepared, self.run, example[0])
            self._prepared = len(images), prepared
        return self._prepared
