"""A sweep that is ended at some moment and begun again by the same command: what was lost, done twice, broken, left.

`python killing.py PEOPLE FOLDER ROUNDS [SEED]` runs a campaign on a data folder and prints its table.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import torch

OPTIONS = (
    "--model tmpose_tiny --mask random,semantic --ratios 0.5 --base-epochs 2 --epochs 1 --threads 1 --samples 6 -q "
    "--runtime eager,fused"
).split()
#: the least that has a base model and two cells
SMALLEST = (
    "--model tmpose_tiny --mask random --ratios 0.5 --base-epochs 1 --epochs 1 --threads 1 --jobs 1 --no-latency -q"
).split()
#: how long after its end a sweep may have living processes
PATIENCE = 10.0
#: columns that say when, how long and how much, and not what
MEASURED = ("latency", "seconds", "throughput", "memory", "peak", "date", "rss", "cpu_share", "images_per_s", "_mib")


def of_process(sweep: subprocess.Popen) -> list[int]:
    return [sweep.pid]


def of_group(sweep: subprocess.Popen) -> list[int]:
    group = os.getpgid(sweep.pid)
    return [p.pid for p in psutil.process_iter() if _group(p.pid) == group]


def of_tree(sweep: subprocess.Popen) -> list[int]:
    return [sweep.pid, *(child.pid for child in psutil.Process(sweep.pid).children(recursive=True))]


@dataclass(frozen=True)
class Fault:
    """Signals, sent half a second apart to whom `whom` names."""

    name: str
    signals: tuple[signal.Signals, ...]
    whom: Callable[[subprocess.Popen], list[int]] = of_process


FAULTS = (
    Fault("SIGKILL, process", (signal.SIGKILL,)),
    Fault("SIGKILL, group", (signal.SIGKILL,), of_group),
    Fault("SIGKILL, tree", (signal.SIGKILL,), of_tree),
    Fault("SIGTERM", (signal.SIGTERM,)),
    Fault("SIGINT", (signal.SIGINT,)),
    Fault("SIGINT twice", (signal.SIGINT, signal.SIGINT)),
    Fault("SIGHUP", (signal.SIGHUP,)),
)


@dataclass
class Round:
    """What an ended sweep left, and what its repetition made of it; each a list of what is wrong."""

    fault: str
    moment: str
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        found = {name: getattr(self, name) for name in ("lost", "doubled", "corrupt", "orphans", "differs")}
        return [f"{self.fault} {self.moment}: {name} {what}" for name, what in found.items() if what]


#: the embedded set, small enough to be rendered often
RENDERED = 120, 12
_SMALL = f"""
import runpy, sys
from posebench.pose.synth import cache
cache.TRAIN, cache.VAL = {RENDERED}
sys.argv[0] = "posebench"
runpy.run_module("posebench", run_name="__main__")
"""


def begin(people: Path | None, out: Path, options: list[str] = OPTIONS) -> subprocess.Popen:
    """A sweep as a session of its own, whose processes are known by their environment.

    people: a data folder; None for the embedded set, made small, which is rendered first if need be."""
    program = ["-m", "posebench"] if people else ["-c", _SMALL]
    data = ["--data", str(people)] if people else []
    command = [sys.executable, *program, "sweep", *data, "--out", str(out), *options]
    environment = os.environ | {"POSEBENCH_CAMPAIGN": str(out)}
    how = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True, "env": environment}
    return subprocess.Popen(command, **how)


def finish(people: Path | None, out: Path, options: list[str] = OPTIONS) -> float:
    """Run it to its end; seconds."""
    started = time.monotonic()
    sweep = begin(people, out, options)
    _, said = sweep.communicate()
    assert sweep.returncode == 0, said.decode()
    return time.monotonic() - started


def after(seconds: float) -> Callable[[Path], bool]:
    ends = time.monotonic() + seconds
    return lambda _: time.monotonic() >= ends


#: by the first file that tells that a stage was begun
STAGES: dict[str, Callable[[Path], bool]] = {
    "base": lambda out: any(out.glob("base/*/worker.json")),
    "base saved": lambda out: any(out.glob("base/*/last.pt")),
    "cells": lambda out: any(out.glob("cells/*/worker.json")),
    "memory": lambda out: any(out.glob("cells/*/memory_*.json")),
    "evaluation": lambda out: any(out.glob("cells/*/last.pt")),
    "runtimes": lambda out: any(out.glob("cells/*/evidence.npz")),
    "a cell is done": lambda out: any(out.glob("cells/*/result.json")),
    "timing": lambda out: any(out.glob("timing/*/worker.json")),
    "rows": lambda out: any(out.glob("timing/*/result.json")),
    "pictures": lambda out: (out / "plots").is_dir(),
    "page": lambda out: (out / "equal_gflopst.csv").is_file(),
}


def interrupt(
    people: Path | None,
    out: Path,
    fault: Fault,
    moment: str,
    due: Callable[[Path], bool],
    options: list[str] = OPTIONS,
) -> Round:
    """One round: begin or go on, end it when due (nothing happens where it ends before)."""
    one = Round(fault.name, moment)
    sweep = begin(people, out, options)
    try:
        while sweep.poll() is None and not due(out):
            time.sleep(0.005)
        if sweep.poll() is None:
            for number, sent in enumerate(fault.signals):
                time.sleep(0.5 * bool(number))
                for pid in fault.whom(sweep) if sweep.poll() is None else ():
                    _send(pid, sent)
        sweep.wait(60)
        one.orphans = left_alive(out)
    finally:
        sweep.stderr.close()
        for pid in left_alive(out, 0):
            _send(pid, signal.SIGKILL)
    one.corrupt = list(unreadable(out))
    return one


def settle(people: Path, out: Path, wanted: Path, one: Round, options: list[str] = OPTIONS) -> Round:
    """Run the command again to its end, and compare with an undisturbed sweep."""
    before = finished(out)
    finish(people, out, options)
    then = finished(out)
    one.lost = sorted(before.keys() - then.keys())
    one.doubled = sorted(name for name in before.keys() & then.keys() if before[name] != then[name])
    one.corrupt += list(unreadable(out))
    one.differs = differences(out, wanted)
    return one


def campaign(people: Path, folder: Path, rounds: int, seed: int = 0) -> Iterator[Round]:
    """Rounds with faults in turn, each at a stage's beginning or at a random moment of the whole; by turns one cell at
    a time and two."""
    rng = np.random.default_rng(seed)
    length = finish(people, folder / "whole")
    for number in range(rounds):
        out = folder / f"round{number}"
        fault = FAULTS[number % len(FAULTS)]
        stage = list(STAGES)[rng.integers(len(STAGES))] if rng.random() < 0.5 else ""
        seconds = float(rng.uniform(0, length))
        due = STAGES[stage] if stage else after(seconds)
        options = [*OPTIONS, "--jobs", str(1 + number % 2)]
        one = interrupt(people, out, fault, stage or f"after {seconds:.1f} s", due, options)
        yield settle(people, out, folder / "whole", one, options)
        shutil.rmtree(out)


def table(rounds: list[Round]) -> str:
    """Of each fault: rounds, finished results lost and done twice, broken files, processes left, tables that differ."""
    lines = ["| fault | rounds | lost | doubled | corrupt | orphans | other tables |", "|---|---|---|---|---|---|---|"]
    for fault, count in Counter(one.fault for one in rounds).items():
        own = [one for one in rounds if one.fault == fault]
        sums = [sum(len(getattr(one, name)) for one in own) for name in ("lost", "doubled", "corrupt", "orphans")]
        lines.append(f"| {fault} | {count} | {' | '.join(map(str, sums))} | {sum(bool(one.differs) for one in own)} |")
    return "\n".join(lines)


def finished(out: Path) -> dict[str, str]:
    """Every result that is done, and what its file is."""
    found = {}
    for file in out.glob("*/*/result.json"):
        content = file.read_bytes()
        if json.loads(content)["status"] == "ok":
            name = str(file.parent.relative_to(out))
            found[name] = f"{file.stat().st_mtime_ns} {hashlib.sha256(content).hexdigest()}"
    return found


def unreadable(out: Path) -> Iterator[str]:
    """Files under their final names that cannot be read whole."""
    for file in sorted(out.rglob("*")):
        try:
            if file.suffix == ".json" and not file.name.endswith(".part"):
                json.loads(file.read_text())
            elif file.suffix == ".npz":
                with np.load(file) as content:
                    _ = [content[name] for name in content]
            elif file.suffix == ".pt":
                torch.load(file, weights_only=True)
            elif file.suffix == ".csv":
                with open(file, newline="") as rows:
                    lengths = {len(row) for row in csv.reader(rows)}
                assert len(lengths) == 1, f"rows of {lengths} columns"
            elif file.name == "report.html":
                assert file.read_text().rstrip().endswith("</html>")
        except Exception as error:  # each kind of file has its own
            yield f"{file.relative_to(out)}: {error}"


def differences(out: Path, wanted: Path) -> list[str]:
    """Columns of results.csv in which two sweeps differ, those that are measured by a clock or a meter apart."""
    with open(out / "results.csv", newline="") as one, open(wanted / "results.csv", newline="") as other:
        here, there = list(csv.DictReader(one)), list(csv.DictReader(other))
    if len(here) != len(there):
        return [f"{len(here)} rows for {len(there)}"]
    return sorted(
        {
            name
            for row, same in zip(here, there, strict=True)
            for name in same
            if row.get(name) != same[name] and not any(word in name for word in MEASURED)
        }
    )


def left_alive(out: Path, patience: float = PATIENCE) -> list[int]:
    """Processes of the sweep that live on after `patience` seconds."""
    ends = time.monotonic() + patience
    while True:
        alive = [p.pid for p in psutil.process_iter() if _is_of(p, out)]
        if not alive or time.monotonic() >= ends:
            return alive
        time.sleep(0.1)


def _is_of(process: psutil.Process, out: Path) -> bool:
    try:
        living = process.status() != psutil.STATUS_ZOMBIE
        return living and process.environ().get("POSEBENCH_CAMPAIGN") == str(out)
    except psutil.Error:
        return False


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _send(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)


if __name__ == "__main__":
    done = []
    for one in campaign(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), *map(int, sys.argv[4:])):
        done.append(one)
        print(len(done), one.fault, one.moment, *one.wrong, sep="  ", flush=True)
    print(table(done))
