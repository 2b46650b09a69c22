"""What does CUDA take? Rows of results, kept as they come: the end of a step's time ends no more than the step."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

import torch

from ...pose.errors import is_shortage
from ...pose.models.choices import choose_models
from ...pose.models.zoo import create_model
from ...pose.training.optimizer import make_optimizer
from ...pose.training.recipe import TrainingRecipe
from ...pose.training.step import TrainingStep
from ...row import STATUS_OK
from ..counting.flops import flops_row
from ..instruments.device import use_device
from ..instruments.energy import energy_counter, measure_energy
from ..instruments.environment import conditions
from ..instruments.precision import Precision
from ..instruments.shortage import release
from ..profiling.config import ProfileConfig, RunConfig
from ..profiling.models import example_images, model_memory, profile_models
from ..profiling.modules import memory_columns
from ..profiling.subjects import synchronise
from .steps import Site

RATIOS = (0.0, 0.2, 0.4, 0.6, 0.8)
SAMPLES, SECONDS = 30, 3.0
LARGEST = 4096


def latency(site: Site) -> str:
    """Eager with its graph beside it, unmasked and masked; what deployment asks first comes first. A batch of 256 takes
    a third of a second in float32, five times in each of 16 rounds and more: of these there are few."""
    dtypes = ("float32", "bfloat16")
    large, *others = _names(site)
    plan = [(large, 1, dtypes, "random", RATIOS), (large, 1, dtypes, "tome", (0.0, 0.4))]
    plan += [(name, 1, dtypes, "random", (0.0, 0.4, 0.8)) for name in others]
    if site.on_gpu:
        plan += [(large, 64, dtypes, "random", (0.0, 0.4, 0.8)), (large, 64, dtypes, "tome", (0.0, 0.4))]
        plan += [(name, 64, dtypes, "random", (0.0, 0.4)) for name in others]
        plan += [(large, 8, dtypes, "random", RATIOS), (large, 256, dtypes, "random", (0.0, 0.4))]
    return _timed(site, plan, ("eager",))


def tf32(site: Site) -> str:
    """float32 as TF32, in backbone and transformer alike."""
    plan = [(name, size, ("float32",), "random", (0.0, 0.4)) for size in _sizes(site) for name in _names(site)]
    return _timed(site, plan, ("eager",), tf32=True)


def compiled(site: Site) -> str:
    """Compiling takes the most of a minute for each model and batch size: few of them."""
    plan = [(_names(site)[0], size, ("float32",), "random", (0.0, 0.4)) for size in _sizes(site)]
    runtimes = ("eager", "cudagraph", "compile") if site.on_gpu else ("eager", "compile")
    return _timed(site, plan, runtimes)


def _timed(site: Site, plan: Iterable[tuple[Any, ...]], runtimes: tuple[str, ...], tf32: bool = False) -> str:
    count = failed = 0
    bound: list[str] = []
    for name, size, dtypes, mask, ratios in plan:
        how = ProfileConfig(
            RunConfig(site.device, tf32=tf32), runtimes, dtypes, batch_sizes=(size,), samples=SAMPLES, seconds=SECONDS,
            memory=False, retries=0,
        )  # fmt: skip
        rows = profile_models(choose_models([name], [mask], ratios), how)
        site.keep(rows)
        count += len(rows)
        failed += sum(row["status"] != STATUS_OK for row in rows)
        bound += [f"{name} batch {size}" for row in rows if row.get("latency_launch_bound")]
    launches = ", ".join(dict.fromkeys(bound)) or "none"
    return f"{count} rows, {failed} failed; launch bound: {launches}"


def memory(site: Site) -> str:
    """Of one forward pass, in this process, which has done nothing else."""
    device = use_device(site.device)
    found = []
    for name in _names(site):
        for config in choose_models([name], ["random"], (0.0, 0.4)):
            for size in _sizes(site):
                run = RunConfig(site.device)
                columns = memory_columns(model_memory(config, size, run, device))
                site.keep([_row(config, device, size) | columns])
                found.append(columns["peak_memory_mib"])
                release()
    return f"{len(found)} rows, {min(found):.0f} to {max(found):.0f} MiB above the weights"


def training(site: Site) -> str:
    """Steps in bfloat16 on images that lie on the device: batches double until there is no more memory."""
    device = use_device(site.device)
    name = _names(site)[0]
    recipe = TrainingRecipe(epochs=1, batch_size=8, amp=site.on_gpu)
    model = create_model(name).to(device).train()
    step, optimizer, spec = TrainingStep(model, recipe, device), make_optimizer(model, recipe), model.spec
    rates: dict[int, float] = {}
    size, largest, ends = 8, LARGEST if site.on_gpu else 16, time.monotonic() + 25
    batch: tuple[torch.Tensor, ...] = ()
    while size <= largest and time.monotonic() < ends:
        try:
            batch = (
                torch.randn(size, 3, *spec.input_size, device=device),
                torch.rand(size, spec.num_keypoints, *spec.heatmap_size, device=device),
                torch.ones(size, spec.num_keypoints, 1, device=device),
            )
            rates[size] = _steps_per_second(step, optimizer, batch, device) * size
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            break
        finally:
            batch = ()
            optimizer.zero_grad(set_to_none=True)
        site.path("training.json").write_text(json.dumps({"model": name, "images_per_s": rates}, indent=1))
        size *= 2
    release()
    best = max(rates, key=lambda one: rates[one])
    return f"{name}: {rates[best]:.0f} images/s at batch {best}; largest batch that was tried and fits {max(rates)}"


def _steps_per_second(
    step: TrainingStep, optimizer: torch.optim.Optimizer, batch: tuple[torch.Tensor, ...], device: torch.device
) -> float:
    def once() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss, _, others = step(*batch)
        (loss + sum(others)).backward()
        optimizer.step()

    for _ in range(2):
        once()
    synchronise(device)
    begun, count = time.perf_counter(), 0
    while count < 3 or (count < 10 and time.perf_counter() - begun < 1.5):
        once()
        count += 1
    synchronise(device)
    return count / (time.perf_counter() - begun)


def energy(site: Site) -> str:
    """Two windows of five seconds each, unmasked and masked in turns."""
    device = use_device(site.device)
    counter = energy_counter(device)
    precision, size = Precision(torch.float32, device), 64 if site.on_gpu else 1
    configs = choose_models([_names(site)[0]], ["random"], (0.0, 0.4))
    calls = {}
    for config in configs:
        model = precision.place(create_model(config))
        images, ids = example_images(model, size).to(device), torch.arange(size, device=device)
        calls[config] = precision.bind(model, images, ids)
    found = measure_energy(calls, size, counter, windows=2, synchronise=lambda: synchronise(device))
    told = []
    for config, energy in found.items():
        columns = energy.columns(found[configs[0]] if config is not configs[0] else None)
        site.keep([_row(config, device, size) | columns])
        told.append(f"{config.mask} {columns['joules_per_image']:.3g} J/image at {energy.watts:.0f} W")
    return "; ".join(told)


def _row(config: Any, device: torch.device, size: int) -> dict[str, Any]:
    return {"status": STATUS_OK, "runtime": "eager"} | flops_row(create_model(config)) | conditions(
        device, "float32", None, size
    )


def _names(site: Site) -> tuple[str, ...]:
    return ("tmpose_l", "tokenpose_b") if site.on_gpu else ("tmpose_tiny",)


def _sizes(site: Site) -> tuple[int, ...]:
    return (1, 64) if site.on_gpu else (1, 2)
