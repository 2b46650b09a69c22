"""What a model is run on, and how it is profiled."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RunConfig:
    """device: "cpu", "cuda" or "cuda:N". threads: CPU threads of torch (None: as they are). dtype: float32, bfloat16
    (on a CPU by autocast) or float16 (CUDA)."""

    device: str = "cpu"
    threads: int | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class ProfileConfig:
    """samples: timed calls of each subject, at most; seconds: time limit for the samples of one batch size, all
    subjects together (at least 10 samples are taken nevertheless). memory: also the peak memory, of each row in a
    process of its own."""

    run: RunConfig = RunConfig()
    batch_sizes: tuple[int, ...] = (1,)
    samples: int = 130
    seconds: float = 20.0
    memory: bool = True

    @classmethod
    def of(cls, options: dict[str, Any]) -> ProfileConfig:
        """The configuration of flat options (device="cpu", samples=50, ...), which are taken out of the dict."""

        def taken(kind: type) -> dict[str, Any]:
            return {f.name: options.pop(f.name) for f in dataclasses.fields(kind) if f.name in options}

        run = taken(RunConfig)
        run |= {name: str(run[name]).removeprefix("torch.") for name in ("device", "dtype") if name in run}
        rest = taken(cls)
        if "batch_sizes" in rest:
            rest["batch_sizes"] = tuple(rest["batch_sizes"])
        return cls(run=RunConfig(**run), **rest)
