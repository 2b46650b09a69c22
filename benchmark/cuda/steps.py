"""The steps of `posebench cuda`, each in a process of its own within a time of its own: a step that fails, hangs or
breaks its CUDA context costs no other."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...pose.plugins import load_object
from ..instruments.own_process import die_with_parent

OK, FAILED, SKIPPED = "ok", "failed", "skipped"
_HERE = "posebench.benchmark.cuda"


@dataclass(frozen=True)
class Site:
    """Where a step works. device: "cuda" or, as a trial with tiny models, "cpu". folder: what it writes lies there."""

    device: str
    folder: str

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    def keep(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows of results now: they stay, whatever becomes of the step."""
        with open(self.path("rows.jsonl"), "a", encoding="utf-8") as file:
            file.writelines(json.dumps(row, default=str) + "\n" for row in rows)

    def path(self, name: str) -> Path:
        return Path(self.folder) / name


@dataclass(frozen=True)
class Step:
    """One thing to look at. function: (Site) -> a line that says what was found; it raises what went wrong. seconds: at
    most. gpu: there is nothing of it to see on a CPU."""

    name: str
    function: str
    seconds: float
    about: str
    gpu: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a step, in one line."""

    name: str
    status: str
    seconds: float
    line: str


#: in the order of what is worth most, should the time end before they do
STEPS = (
    Step("machine", f"{_HERE}.checks:machine", 30, "the GPU, its clocks, what else runs there, versions"),
    Step("noise", f"{_HERE}.checks:noise", 20, "random masks: the same bits as on the CPU"),
    Step("heatmaps", f"{_HERE}.checks:heatmaps", 40, "every reduction in float32: the CPU's heatmaps"),
    Step("kept", f"{_HERE}.checks:kept", 30, "tokens kept in half precision that float32 keeps"),
    Step("sync", f"{_HERE}.checks:no_sync", 30, "a forward pass waits for nothing", gpu=True),
    Step("graphs", f"{_HERE}.checks:graphs", 40, "every forward pass recorded as a graph equals eager", gpu=True),
    Step("latency", f"{_HERE}.figures:latency", 170, "eager and graphs, float32 and bfloat16, batch 1 to 256"),
    Step("tests", f"{_HERE}.checks:tests", 40, "the tests that need a CUDA device"),
    Step("memory", f"{_HERE}.figures:memory", 25, "peak memory of a forward pass"),
    Step("shortage", f"{_HERE}.checks:shortage", 25, "too big a batch fails alone", gpu=True),
    Step("tf32", f"{_HERE}.figures:tf32", 35, "the same with TF32"),
    Step("training", f"{_HERE}.figures:training", 40, "images per second, and the largest batch"),
    Step("energy", f"{_HERE}.figures:energy", 45, "joules per image"),
    Step("sweep", f"{_HERE}.checks:sweep", 60, "a tiny sweep, killed and resumed"),
    Step("compile", f"{_HERE}.figures:compiled", 60, "torch.compile beside eager"),
)


def run_steps(
    steps: Sequence[Step], device: str, out: Path, seconds: float, said: Callable[[Outcome], None]
) -> list[Outcome]:
    """Run the steps one after the other for `seconds` in all; what is left then is skipped. `said` hears each."""
    ends = time.monotonic() + seconds
    outcomes = []
    for step in steps:
        left = ends - time.monotonic()
        if step.gpu and device == "cpu":
            outcome = Outcome(step.name, SKIPPED, 0.0, "nothing to see on a CPU")
        elif left < 5:
            outcome = Outcome(step.name, SKIPPED, 0.0, f"the {seconds:g} s were over")
        else:
            outcome = run_step(step, device, out / step.name, min(step.seconds, left))
        outcomes.append(outcome)
        said(outcome)
    return outcomes


def run_step(step: Step, device: str, folder: Path, seconds: float) -> Outcome:
    """One step in a new process, which is killed with all that it started when its time is over."""
    folder.mkdir(parents=True)
    order = json.dumps({"function": step.function, "site": asdict(Site(device, str(folder)))})
    started = time.monotonic()
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{_HERE}.steps"],
            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            process.communicate(order.encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    took = time.monotonic() - started
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((folder / "outcome.json").read_text())
        return Outcome(step.name, told["status"], took, told["line"])
    rows = sum(1 for _ in rows_in(folder))
    if process.returncode == -signal.SIGKILL and took >= seconds:
        kept = f"; {rows} rows were measured before" if rows else ""
        return Outcome(step.name, OK if rows else FAILED, took, f"ended after its {seconds:.0f} s{kept}")
    lines = (folder / "log.txt").read_text(errors="replace").strip().splitlines() or ["no word"]
    return Outcome(step.name, FAILED, took, f"died with code {process.returncode}: {lines[-1][:200]}")


def rows_in(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows that a step kept, a torn last line left out."""
    file = folder / "rows.jsonl"
    for line in file.read_text().splitlines() if file.is_file() else ():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _main() -> None:
    die_with_parent()
    order = json.load(sys.stdin)
    site = Site(**order["site"])
    try:
        told = {"status": OK, "line": load_object(order["function"])(site)}
    except Exception as error:
        import traceback

        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        told = {"status": FAILED, "line": f"{type(error).__name__}: {lines[0][:300]}"}
    partial = site.path("outcome.part")
    partial.write_text(json.dumps(told))
    partial.replace(site.path("outcome.json"))
    sys.stdout.flush()
    os._exit(0)  # a broken CUDA context must not hang in its own teardown


if __name__ == "__main__":
    _main()
