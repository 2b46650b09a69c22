"""What a model is run on, and how it is profiled."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ...pose.errors import InputError
from ...pose.records import unsaid
from ..runtimes.catalogue import EAGER
from ..runtimes.descriptor import FLOAT32
from ..runtimes.registry import check_precision, check_runtime, find_runtime, is_known


@dataclass(frozen=True)
class RunConfig:
    """device: "cpu", "cuda" or "cuda:N". threads: CPU threads (None: as many as torch has). dtype: the precision,
    float32, bfloat16 (torch on a CPU: by autocast), float16 or int8. runtime: what executes the model, by name. tf32:
    what float32 is on CUDA, throughout. deterministic: bit-equal results on the same machine, or an error."""

    device: str = "cpu"
    threads: int | None = None
    dtype: str = FLOAT32
    runtime: str = unsaid(EAGER)
    tf32: bool = unsaid(False)
    deterministic: bool = unsaid(False)

    @property
    def is_reference(self) -> bool:
        """Whether it is what all others are compared with."""
        return self.runtime == EAGER and self.dtype == FLOAT32


@dataclass(frozen=True)
class ProfileConfig:
    """samples: timed calls of each subject, at most; seconds: time limit for the samples of one batch size, all
    subjects together (at least 10 samples are taken nevertheless). memory: also the peak memory, of each row in a
    process of its own. energy: also joules per image, 20 s for each row. runtimes x precisions: each model is run in
    every one (none given: in that of `run`), as far as the runtime computes in it. data: a folder whose training crops
    calibrate int8 (None: the embedded set). retries: of a timing that was disturbed, at most. processes: that share the
    samples and the seconds of a batch size, each timing all subjects; of two there is no interval."""

    run: RunConfig = RunConfig()
    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    data: str | None = None
    batch_sizes: tuple[int, ...] = (1,)
    samples: int = 130
    seconds: float = 20.0
    memory: bool = True
    energy: bool = False
    retries: int = 2
    processes: int = 1

    @classmethod
    def of(cls, options: dict[str, Any]) -> ProfileConfig:
        """The configuration of flat options (device="cpu", samples=50, ...), which are taken out of the dict."""

        def taken(kind: type) -> dict[str, Any]:
            return {f.name: options.pop(f.name) for f in dataclasses.fields(kind) if f.name in options}

        run = taken(RunConfig)
        run |= {name: str(run[name]).removeprefix("torch.") for name in ("device", "dtype") if name in run}
        rest = taken(cls)
        for name in ("batch_sizes", "runtimes", "precisions"):
            if name in rest:
                rest[name] = tuple(rest[name])
        return cls(run=RunConfig(**run), **rest)

    def runs(self) -> tuple[tuple[RunConfig, ...], tuple[str, ...]]:
        """What each model is run in, and what of the runtimes x precisions there is not (see runs_of)."""
        return runs_of(self.run, self.runtimes, self.precisions)


def runs_of(
    run: RunConfig, runtimes: tuple[str, ...], precisions: tuple[str, ...], *, here: bool = True
) -> tuple[tuple[RunConfig, ...], tuple[str, ...]]:
    """`run` in each of the runtimes x precisions (none given: its own), and what of these there is not, a line each.

    InputError for one that is unknown, that its device has not or, where it is to run `here`, this machine, or that
    goes with none of the others. Otherwise a user's module that nobody has asked for, but for a folder that is read, is
    not imported, and taken to compute in all precisions.
    """
    runtimes, precisions = runtimes or (run.runtime,), precisions or (run.dtype,)
    kind = run.device.partition(":")[0]
    runs, left_out = [], []
    for name in dict.fromkeys(runtimes):
        is_read = here or is_known(name)
        there = find_runtime(name).precisions(kind) if is_read else precisions
        possible = [one for one in dict.fromkeys(precisions) if check_precision(one) in there]
        if is_read:
            check_runtime(name, (possible or precisions)[0], kind, here=here)
        runs += [dataclasses.replace(run, runtime=name, dtype=one) for one in possible]
        rest = [one for one in dict.fromkeys(precisions) if one not in there]
        left_out += [f"runtime {name} does not compute in {one} on {kind}" for one in rest]
    for one in precisions:
        if all(run.dtype != one for run in runs):
            raise InputError(f"none of {', '.join(dict.fromkeys(runtimes))} computes in {one} on {kind}")
    return tuple(runs), tuple(left_out)
