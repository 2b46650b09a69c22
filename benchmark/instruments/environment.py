"""The conditions of a measurement: what a number must be read with. No host, user or folder names."""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import torch

from ... import __version__
from .allocator import allocator
from .device import check_device
from .interference import usable_cores
from .precision import tf32_text

_PACKAGE = Path(__file__).resolve().parents[2]


def conditions(
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    threads: int | None = None,
    batch_size: int | None = None,
) -> dict[str, object]:
    """The provenance columns of a results row, as they are now in this process.

    device, device_name (the GPU's name, or the processor's), dtype, batch_size, threads (None: torch's present
    setting), torch_version, python_version, posebench_version, git_revision and git_dirty (of posebench's own
    checkout; empty when it is installed), processor, platform, date_utc (ISO 8601, to the second), and beside the
    row's columns: cores (CPUs this process may use), torch_build, allocator. Raises InputError for an absent device.
    """
    found = check_device(device)
    revision, dirty = _git()
    return {
        "device": found.type,
        "device_name": torch.cuda.get_device_name(found) if found.type == "cuda" else processor(),
        "dtype": str(dtype).removeprefix("torch."),
        "deterministic": torch.are_deterministic_algorithms_enabled() or None,
        "tf32": tf32_text() if found.type == "cuda" else None,
        "batch_size": batch_size,
        "threads": torch.get_num_threads() if threads is None else threads,
        "torch_version": torch.__version__,
        "python_version": platform.python_version(),
        "posebench_version": __version__,
        "git_revision": revision,
        "git_dirty": dirty,
        "processor": processor(),
        "platform": _platform(),
        "date_utc": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "cores": usable_cores(),
        "torch_build": _torch_build(),
        "allocator": allocator(),
    }


@functools.cache
def processor() -> str:
    """The processor's name, or its architecture where the system does not tell."""
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        info = ""
    match = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", info, re.MULTILINE)
    if match:
        return " ".join(match[1].split())
    if platform.system() == "Darwin":
        name = _output(["sysctl", "-n", "machdep.cpu.brand_string"])
        if name:
            return name
    return platform.processor() or platform.machine()


@functools.cache
def _platform() -> str:
    library = " ".join(platform.libc_ver()).strip()
    return " ".join(part for part in (platform.system(), platform.release(), platform.machine(), library) if part)


def _torch_build() -> str:
    """What torch computes with. Not torch.__config__.show(), whose compiler flags hold folder names."""
    text = torch.__config__.show()
    parts = [f"CPU capability {torch.backends.cpu.get_cpu_capability()}"]
    for pattern in (r"(oneAPI Math Kernel Library|MKL) Version ([\w.]+)", r"MKL-DNN (v[\w.]+)", r"OpenMP (\d+)"):
        match = re.search(pattern, text)
        if match:
            parts.append(match[0].replace("MKL-DNN", "oneDNN").replace("oneAPI Math Kernel Library", "MKL"))
    if torch.version.cuda:
        parts.append(f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    if torch.version.hip:
        parts.append(f"ROCm {torch.version.hip}")
    return ", ".join(parts)


@functools.cache
def _git(folder: Path = _PACKAGE) -> tuple[str, bool | None]:
    """(revision, has uncommitted changes) of a folder that is itself the top of a git checkout, else ("", None)."""
    if not (folder / ".git").exists():  # not a site-packages that happens to lie inside someone's checkout
        return "", None
    revision = _output(["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"])
    if not revision:
        return "", None
    changes = _output(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"])
    return revision, None if changes is None else bool(changes)


def _output(command: list[str]) -> str | None:
    """Standard output of a command, stripped; None when it fails or is not there."""
    # A git hook sets GIT_DIR and its like, which would name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
