"""Is CUDA right? Each function looks at one thing and returns a line of what it found, or raises what is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ...pose.errors import first_line
from ...pose.models.model import PoseModel
from ...pose.models.zoo import create_model
from ...pose.reductions import reduction_names
from ...pose.reductions.noise import evaluation_noise
from ..instruments.device import use_device
from ..instruments.environment import conditions
from ..instruments.nvml import gpu_of
from ..profiling.config import RunConfig
from ..profiling.models import example_images, time_models
from ..runtimes.prepared import Task, prepare
from .steps import Site

MODEL, RATIO, BATCH = "tmpose_tiny", 0.4, 4
TOLERANCE = 1e-3  # of the largest heatmap value, float32 on two devices with lively weights
PACKAGE = Path(__file__).resolve().parents[2]


def machine(site: Site) -> str:
    """Everything that a figure must be read with."""
    device = use_device(site.device)
    found = conditions(device)
    gpu = gpu_of(device)
    if gpu is not None:
        found |= {
            "gpu_clock_mhz": gpu.clock_mhz(), "gpu_throttled_by": gpu.throttled_by(), "gpu_celsius": gpu.celsius(),
            "gpu_other_processes": gpu.other_processes(), "gpu_joules": gpu.joules(),
        }  # fmt: skip
    if site.on_gpu:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            asked = subprocess.run(["nvidia-smi", "-q"], capture_output=True, text=True, timeout=10)
            site.path("nvidia-smi.txt").write_text(asked.stdout)
    site.path("machine.json").write_text(json.dumps(found, indent=1, default=str))
    clock = f"{gpu.clock_mhz()} MHz, {gpu.other_processes()} others" if gpu else "no NVML"
    return f"{found['device_name']}, {found['torch_build']}, torch {found['torch_version']}; {clock}"


def noise(site: Site) -> str:
    """Integers and one division: no device may differ."""
    device = use_device(site.device)
    ids = torch.tensor([0, 1, 7, 5_000, 2**31 + 11, 2**40])
    for seed in (0, 1, 123_456_789):
        here, there = evaluation_noise(ids, 4096, seed), evaluation_noise(ids.to(device), 4096, seed).cpu()
        if not torch.equal(here, there):
            raise AssertionError(f"seed {seed}: {int((here != there).sum())} of {here.numel()} numbers differ")
    return f"{3 * len(ids) * 4096} numbers equal to the bit"


def heatmaps(site: Site) -> str:
    """Every reduction with TF32 off against the CPU."""
    device = use_device(site.device)
    apart: dict[str, float] = {}
    for name, model in _lively():
        images, ids = example_images(model, BATCH), torch.arange(BATCH)
        with torch.inference_mode():
            here = model(images, ids)
            there = model.to(device)(images.to(device), ids.to(device)).cpu()
        apart[name] = float((here - there).abs().max() / here.abs().max())
    wrong = {name: share for name, share in apart.items() if not share <= TOLERANCE}
    if wrong:
        raise AssertionError(f"{_listed(wrong)} of the largest value apart (at most {TOLERANCE:g})")
    return f"{len(apart)} reductions within {max(apart.values()):.1e} of the largest value"


def kept(site: Site) -> str:
    """Tokens that half precision keeps of those that float32 keeps; the choice itself is in float32, but what it is
    made from is not."""
    device = use_device(site.device)
    overlap: dict[str, dict[str, float]] = {}
    for name, model in _lively():
        if model.spec.reduction.is_none:
            continue
        model.to(device)
        images, ids = example_images(model, BATCH).to(device), torch.arange(BATCH, device=device)
        exact = model.kept_indices(images, ids)
        for dtype in (torch.bfloat16, torch.float16):
            half = model.to(dtype).kept_indices(images.to(dtype), ids)
            shared = (half[:, :, None] == exact[:, None]).any(dim=2).float().mean()
            overlap.setdefault(str(dtype).removeprefix("torch."), {})[name] = float(shared)
            model.float()
    site.path("kept.json").write_text(json.dumps(overlap, indent=1))
    lowest = {dtype: min((share, name) for name, share in shares.items()) for dtype, shares in overlap.items()}
    return "; ".join(f"{dtype}: at least {share:.1%} ({name})" for dtype, (share, name) in lowest.items())


def no_sync(site: Site) -> str:
    """No operator of a forward pass makes the CPU wait for the GPU."""
    device = use_device(site.device)
    wrong: dict[str, str] = {}
    count = 0
    for name, model in _lively():
        model.to(device)
        images, ids = example_images(model, BATCH).to(device), torch.arange(BATCH, device=device)
        with torch.inference_mode():
            model(images, ids)  # what is made once may be waited for
            torch.cuda.set_sync_debug_mode("error")
            try:
                model(images, ids)
                count += 1
            except RuntimeError as error:
                wrong[name] = first_line(error)
            finally:
                torch.cuda.set_sync_debug_mode("default")
    if wrong:
        raise AssertionError("; ".join(f"{name}: {text}" for name, text in wrong.items()))
    return f"{count} reductions, none waits"


def graphs(site: Site) -> str:
    """Each forward pass recorded as a CUDA graph, on other images than it was recorded with."""
    device = use_device(site.device)
    wrong: dict[str, str] = {}
    count = 0
    for name, model in _lively():
        images, ids = example_images(model, BATCH), torch.arange(BATCH)
        try:
            replayed = prepare("cudagraph", Task(model, (images, ids), device=device)).run(images.flip(0), ids + 3)
        except Exception as error:
            wrong[name] = first_line(error)
            torch.cuda.synchronize(device)
            continue
        eager = prepare("eager", Task(model, (images, ids), device=device)).run(images.flip(0), ids + 3)
        difference = float((replayed - eager).abs().max() / eager.abs().max())
        if not difference <= TOLERANCE:
            wrong[name] = f"{difference:.1e} of the largest value apart"
        count += 1
    if wrong:
        raise AssertionError("; ".join(f"{name}: {text}" for name, text in wrong.items()))
    return f"{count} reductions recorded, equal to eager"


def shortage(site: Site) -> str:
    """With little of the GPU to have, a batch that is too big fails with an error, and a small one keeps its times."""
    device = use_device(site.device)
    torch.cuda.set_per_process_memory_fraction(0.02, device)
    models = {"tmpose_tiny": create_model(MODEL).eval()}

    def timed(size: int) -> dict[str, Any]:
        rows = time_models(models, size, device=device, max_samples=10, max_seconds=1.0, retries=0)
        return rows["tmpose_tiny", RunConfig()]

    small, big, again = timed(1), timed(4096), timed(1)
    if "latency_ms_median" not in small or "latency_ms_median" not in again:
        raise AssertionError(f"a batch of 1 was not timed: {small.get('error') or again.get('error')}")
    if "out of memory" not in str(big.get("error")):
        raise AssertionError("a batch of 4096 in 2 % of the memory was no error")
    return f"batch 1 timed before and after; batch 4096: {big['error'][:80]}"


def tests(site: Site) -> str:
    """Those of this project that see a CUDA device."""
    folder = PACKAGE / "tests"
    if not folder.is_dir():
        raise FileNotFoundError("the tests are not beside the package: run this from a checkout")
    where = ["benchmark/instruments", "pose/reductions/test_conformance.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark", "-p", "no:xdist"]
    command += ["-o", "addopts=--import-mode=importlib", "-k", "cuda or any_device", *where]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    site.path("pytest.txt").write_text(done.stdout + done.stderr)
    last = (done.stdout.strip().splitlines() or ["no word"])[-1].strip("= ")
    if done.returncode:
        raise AssertionError(f"{last}; see {site.path('pytest.txt').name}")
    return last


def sweep(site: Site) -> str:
    """Killed when its first cell is done, and run again: the cells that were done are not done twice."""
    from ...pose.synth import write_synthetic

    data, out = site.path("data"), site.path("run")
    write_synthetic(data, train=48, val=24, seed=1, jobs=1)
    command = [sys.executable, "-m", "posebench", "sweep", "--model", MODEL, "--mask", "random", "--ratios", "0.4,0.6"]
    command += ["--data", str(data), "--device", site.device, "--epochs", "1", "--no-latency", "--jobs", "1"]
    command += ["--quiet", "--out", str(out)]
    with open(site.path("sweep.txt"), "wb") as log:
        first = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        while first.poll() is None and not _finished(out):
            time.sleep(0.2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        before = {file: file.stat().st_mtime_ns for file in _finished(out)}
        second = subprocess.run(command, stdout=log, stderr=log)
    if second.returncode:
        raise AssertionError(f"resumed, it ended with code {second.returncode}; see sweep.txt")
    if any(file.stat().st_mtime_ns != when for file, when in before.items()):
        raise AssertionError("a cell that was done was done again")
    return f"killed with {len(before)} of {len(_finished(out))} parts done, and finished"


def _finished(out: Path) -> list[Path]:
    return sorted(out.glob("cells/*/result.json"))


def _lively() -> Iterator[tuple[str, PoseModel]]:
    """A small model with each reduction, whose weights are large enough that every choice differs by content."""
    for name in reduction_names():
        torch.manual_seed(3)
        model = create_model(MODEL, mask=name, mask_ratio=0.0 if name == "none" else RATIO).eval()
        with torch.no_grad():
            for entry, value in model.named_parameters():
                if value.dim() > 1 and "position" not in entry:
                    value.normal_(0, 2**0.5 / value[0].numel() ** 0.5)
        yield name, model


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1e}" for name, value in values.items())
