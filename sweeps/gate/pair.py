"""One process of the base and one of the head, on the same machine, taking turns.

A drift of the machine meets both sides of a turn alike, and as they never run at the same time, both are put on the
same cores. What a process has by chance (where its memory lies, say) does not average out within it, which is why a
gate takes several pairs.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ...pose.errors import InputError
from .revisions import Side

_SUBJECT = Path(__file__).with_name("subject.py")
#: glibc keeps freed memory, as in posebench's other timings (see benchmark/instruments/allocator.py)
_ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
#: turns that are not kept
WARM_UP = 5
#: that a pair takes, however little time there is
FEWEST_TURNS = 10


@dataclass(frozen=True)
class PairResult:
    """What one pair of processes says. ratios: by name ("latency MODEL"), the head's time over the base's; times: in
    ms, (base, head); turns: behind each ratio; counts: (base, head) by model."""

    ratios: dict[str, float]
    times: dict[str, tuple[float, float]]
    turns: int
    counts: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)


def time_models_in_pair(
    sides: Sequence[Side], order: Mapping[str, Any], *, turns: int, seconds: float, number: int = 0
) -> PairResult:
    """Alternate the models of `order` (see subject.py) between two processes that start together.

    A ratio is the median over the turns of head over base, each the median of a few calls right after one another;
    which of the two goes first changes from turn to turn. number: of the pair, which moves on by one core and side.
    InputError where a side fails.
    """
    first, cores = number % 2, _cores(number, order["threads"])
    with contextlib.ExitStack() as stack:
        started = {side: stack.enter_context(_started(sides[side], cores)) for side in (first, 1 - first)}
        subjects = [started[0], started[1]]
        for subject in subjects:
            subject.tell(json.dumps(order))
        about = [subject.hear() for subject in subjects]
        for side, said in zip(sides, about, strict=True):
            if "error" in said:
                raise InputError(f"{side}: {said['error']}")
            _check_files(side, said["files"])
        samples: list[list[dict[str, float]]] = [[], []]
        start = time.monotonic()
        for turn in range(-WARM_UP, turns):
            if turn == 0:
                start = time.monotonic()
            if turn >= FEWEST_TURNS and time.monotonic() - start > seconds:
                break
            for index in (0, 1) if (turn + first) % 2 == 0 else (1, 0):
                subjects[index].tell("")
                said = subjects[index].hear()
                if turn >= 0:
                    samples[index].append({name: statistics.median(calls) / 1e6 for name, calls in said.items()})
    shared = [name for name in samples[0][0] if name in samples[1][0]]
    counts = {name: (about[0]["counts"][name], about[1]["counts"][name]) for name in about[0]["counts"]}
    return PairResult(
        {name: _ratio([turn[name] for turn in samples[0]], [turn[name] for turn in samples[1]]) for name in shared},
        {name: tuple(statistics.median(turn[name] for turn in side) for side in samples) for name in shared},
        len(samples[0]),
        counts,
    )


def _cores(number: int, threads: int) -> set[int]:
    """The cores of a pair; empty where the system leaves none to choose."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return {usable[(number + thread) % len(usable)] for thread in range(threads)} if len(usable) > threads else set()


def _ratio(base: Sequence[float], head: Sequence[float]) -> float:
    return math.exp(statistics.median(math.log(b / a) for a, b in zip(base, head, strict=True)))


def run_commands_in_pair(sides: Sequence[Side], command: str, *, number: int = 0) -> PairResult:
    """Run a command once in each checkout; it prints {"NAME": milliseconds}. The base goes first in even pairs.

    The object is the last line of its output; a list of milliseconds counts by its median. InputError where the command
    fails or prints anything else.
    """
    order = (0, 1) if number % 2 == 0 else (1, 0)
    found = {index: _command_times(sides[index], command) for index in order}
    base, head = found[0], found[1]
    if base.keys() != head.keys():
        only = ", ".join(sorted(base.keys() ^ head.keys()))
        raise InputError(f"--command {command}: base and head time different things ({only})")
    names = {name: f"latency {name}" for name in base}
    return PairResult(
        {shown: head[name] / base[name] for name, shown in names.items()},
        {shown: (base[name], head[name]) for name, shown in names.items()},
        1,
    )


def _command_times(side: Side, command: str) -> dict[str, float]:
    where = f"{side}: --command {command}"
    try:
        arguments = shlex.split(command)
        done = subprocess.run(arguments, cwd=side.folder, env=side.environment, capture_output=True, text=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: cannot be run ({error})") from None
    if done.returncode:
        raise InputError(f"{where}: ended with {done.returncode}: {_last_line(done.stderr or done.stdout)}")
    try:
        content = json.loads(_last_line(done.stdout))
        times = {
            str(name): float(statistics.median(value if isinstance(value, list) else [value]))
            for name, value in content.items()
        }
        if not times or not all(0 < value < math.inf for value in times.values()):
            raise ValueError
    except (ValueError, TypeError, AttributeError, RecursionError):
        right = 'its last line must be such as {"step": 12.5}, in milliseconds'
        raise InputError(f"{where}: {right}, not {_last_line(done.stdout)[:100]!r}") from None
    return times


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


class _Subject:
    """The far end of a subject process."""

    def __init__(self, side: Side, process: subprocess.Popen[str], errors: IO[bytes]) -> None:
        self.side, self.process, self.errors = side, process, errors

    def tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # `hear` says why
            print(line, file=self.process.stdin, flush=True)

    def hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if line:
            return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        said = _last_line(self.errors.read().decode("utf-8", "replace"))
        raise InputError(f"{self.side}: its process ended with {self.process.returncode} ({said or 'no word'})")


@contextlib.contextmanager
def _started(side: Side, cores: set[int]) -> Iterator[_Subject]:
    # Not by its path: Python would look through this folder first.
    command = [side.python, "-c", f"import runpy; runpy.run_path({str(_SUBJECT)!r}, run_name='__main__')"]
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=side.folder,
                env=side.environment | _ALLOCATOR,
            )  # fmt: skip
        except OSError as error:
            raise InputError(f"{side}: {side.python} cannot be run ({error.strerror})") from None
        try:
            if cores:
                os.sched_setaffinity(process.pid, cores)
            yield _Subject(side, process, errors)
        finally:
            process.kill()
            process.communicate()


def _check_files(side: Side, files: Mapping[str, str | None]) -> None:
    """InputError where a package of the checkout was imported from elsewhere: both sides would be the same."""
    places = (side.folder, side.sources, side.sources / "src")
    for package, file in files.items():
        name = package.split(".")[0]
        held = any((place / name).exists() or (place / f"{name}.py").exists() for place in places)
        if held and file and not Path(file).resolve().is_relative_to(side.sources.resolve()):
            raise InputError(f"{side}: {package} is imported from {Path(file).parent}, not from the checkout")
