"""A pose model in a runtime: prepared whole and behind the backbone, and compared with eager float32 before anything is
timed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ...pose.errors import InputError, is_shortage
from ...pose.evaluation.decode import decode
from ...pose.models.model import PoseModel
from ..instruments.attention import attention_kernels
from ..instruments.device import DTYPES
from ..instruments.precision import Precision
from ..instruments.shortage import release, shortage_text
from ..runtimes.catalogue import EAGER
from ..runtimes.descriptor import FLOAT32, INT8
from ..runtimes.prepared import TOLERANCE, Inputs, Prepared, Task, prepare
from ..runtimes.registry import find_runtime
from .config import RunConfig
from .crops import COMPARED


@dataclass(frozen=True)
class Crops:
    """Images (n, 3, H, W) that int8 is calibrated on, and that runtimes are compared on; about: what the latter are."""

    calibration: torch.Tensor
    compared: torch.Tensor
    about: str

    @property
    def inputs(self) -> list[Inputs]:
        """What a whole model is calibrated on: images one by one, with their ids."""
        return [(image[None], torch.tensor([number])) for number, image in enumerate(self.calibration)]


@dataclass(frozen=True)
class InRuntime:
    """A model that is ready to be timed. columns: drift and provenance, of a row. error: why it must not be timed.
    graph, transformer_graph: eager's kernels as one CUDA graph, on CUDA."""

    whole: Callable[[], object] | None
    transformer: Callable[[], object] | None
    columns: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    graph: Callable[[], object] | None = None
    transformer_graph: Callable[[], object] | None = None


def place_model(
    model: PoseModel, run: RunConfig, device: torch.device, images: torch.Tensor, crops: Crops | None = None
) -> InRuntime:
    """A model (float32, on the CPU, in evaluation mode) in a runtime for a batch of images, compared with eager.

    crops: None compares on the images. What cannot be prepared, or is not equal in float32, has an error.
    """
    return _or_error(run, lambda: _place_model(model, run, device, images, crops))


def place_module(module: nn.Module, inputs: Inputs, run: RunConfig, device: torch.device) -> InRuntime:
    """The same of any module, whole: what it gives must be one tensor, unless it runs in eager, and may differ by
    TOLERANCE of its largest value, or of 1. int8 is calibrated on the inputs."""
    return _or_error(run, lambda: _place_module(module, inputs, run, device))


def _or_error(run: RunConfig, place: Callable[[], InRuntime]) -> InRuntime:
    try:
        return place()
    except InputError as error:
        reason = str(error)
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        reason = shortage_text(error)
    release()  # behind the error, whose frames held what was computed
    return InRuntime(None, None, {"runtime": run.runtime}, reason)


def _place_model(
    model: PoseModel, run: RunConfig, device: torch.device, images: torch.Tensor, crops: Crops | None
) -> InRuntime:
    ids = torch.arange(len(images))
    calibration = crops.inputs if crops else []
    runtime = find_runtime(run.runtime)
    shared = runtime.in_torch and runtime.form is None and device.type != "cpu"
    body, seen = model, images
    if shared:  # one model there, of which the transformer part is a part
        precision = Precision(DTYPES[run.dtype], device)
        body, seen = precision.place(copy.deepcopy(model)), precision.place_tensor(images)
    task = Task(body, (images, ids), run.dtype, device, run.threads, calibration, placed=shared)
    whole = prepare(run.runtime, task)
    with torch.inference_mode():
        features = body.backbone(seen)
        if run.dtype == INT8:
            calibration = [(model.backbone(image), number) for image, number in calibration]
    if runtime.in_torch and run.dtype != FLOAT32:
        features = features.to(DTYPES[run.dtype])  # as the backbone hands them on
    inputs = features.clone(), ids  # a copy: what inference mode made cannot be exported
    of_part = replace(task, module=body.transformer, inputs=inputs, calibration=calibration)
    part = prepare(run.runtime, of_part)
    columns = {"runtime": run.runtime} | whole.provenance().columns()
    if not run.is_reference:
        columns |= compare(model, whole, images, crops)
    unequal = _wrong(run, columns.get("drift_heatmap", 0.0))
    calls = whole.bind(images, ids), part.bind(*inputs)
    graphs = [_graph(one) for one in (task, of_part)] if run.runtime == EAGER else (None, None)
    if device.type == "cuda" and runtime.in_torch:
        columns["attention_kernels"] = attention_kernels(calls[0])
    return InRuntime(*calls, columns, unequal, *graphs)


def _place_module(module: nn.Module, inputs: Inputs, run: RunConfig, device: torch.device) -> InRuntime:
    prepared = prepare(run.runtime, Task(module, inputs, run.dtype, device, run.threads))
    columns, unequal = {"runtime": run.runtime} | prepared.provenance().columns(), None
    if not run.is_reference:
        with torch.inference_mode():
            eager = module(*inputs)
        if isinstance(eager, torch.Tensor):
            drift = float((prepared.run(*inputs) - eager.float()).abs().max())
            columns |= {"drift_heatmap": drift, "drift_images": f"{len(inputs[0])} example inputs"}
            unequal = _wrong(run, drift, max(1.0, float(eager.float().abs().max())), "what it gives differs")
        elif run.runtime != EAGER:
            kind = type(eager).__name__
            raise InputError(f"runtime {run.runtime}: a module that gives one tensor can be compared, not a {kind}")
    return InRuntime(prepared.bind(*inputs), None, columns, unequal)


def check_equal(model: PoseModel, prepared: Prepared, run: RunConfig, images: torch.Tensor) -> None:
    """InputError where it gives NaN, or in float32 other heatmaps than eager."""
    if run.is_reference:
        return
    wrong = _wrong(run, compare(model, prepared, images, None)["drift_heatmap"])
    if wrong:
        raise InputError(f"runtime {run.runtime}, {model.spec.mask}: {wrong}")


def precision_text(run: RunConfig, device: torch.device) -> str:
    """For the record: the number format, and how it is brought about."""
    if run.dtype == INT8:
        return "static quantisation to int8"
    if run.dtype == FLOAT32 or find_runtime(run.runtime).in_torch:
        return Precision(DTYPES[run.dtype], device).text
    return f"graph in {run.dtype}"


def _graph(task: Task) -> Callable[[], object] | None:
    """What eager would take if launching cost nothing: its kernels as one CUDA graph. None where there are no such
    graphs, and for what cannot be recorded."""
    if not task.placed or task.device.type not in find_runtime("cudagraph").devices:
        return None
    try:
        return prepare("cudagraph", task).bind(*task.inputs)
    except (InputError, RuntimeError):
        return None


def compare(
    model: PoseModel, prepared: Prepared, images: torch.Tensor, crops: Crops | None
) -> dict[str, Any]:
    """The drift_... columns: how far heatmaps and keypoints are from those of eager float32, of every place in a batch:
    runtimes have been seen to go wrong from the twentieth image on. Of many images a few, repeated."""
    shown = images[:COMPARED] if crops is None else crops.compared
    batch = len(images)
    numbers = torch.arange(math.ceil(len(shown) / batch) * batch) % len(shown)
    ids = torch.arange(len(shown))
    with torch.inference_mode():
        ours = [prepared.run(shown[part].contiguous(), part).float() for part in numbers.split(batch)]
        theirs = [model(shown[part], part).float() for part in ids.split(batch)]
    mine, eager = torch.cat(ours).numpy(), torch.cat(theirs)[numbers].numpy()
    method, (height, width) = model.spec.convention, model.spec.input_size
    scale = np.array([width / mine.shape[3], height / mine.shape[2]])
    apart = np.linalg.norm((decode(mine, method)[0] - decode(eager, method)[0]) * scale, axis=2)
    about = f"{len(shown)} {'made-up images' if crops is None else crops.about}"
    return {
        "drift_heatmap": float(np.abs(mine - eager).max()),
        "drift_px_median": float(np.median(apart)),
        "drift_px_max": float(apart.max()),
        "drift_images": about,
    }


def _wrong(run: RunConfig, drift: float, scale: float = 1.0, what: str = "heatmaps differ") -> str | None:
    """Why a run must not be timed: in no precision may it give NaN, and in float32 it must be equal to eager."""
    if not math.isfinite(drift):
        return f"not timed: in {run.dtype} it gives NaN or infinity; take another precision"
    if run.dtype != FLOAT32 or run.tf32 or drift <= TOLERANCE * scale:
        return None
    return f"not timed: {what} from eager's by {drift:.2g}, more than {TOLERANCE * scale:g}"
