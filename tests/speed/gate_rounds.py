"""How often `posebench gate` is right, beside a job that takes a whole core.

    python tests/speed/gate_rounds.py --slower 10 --same 20

A network of six equal layers is gated against itself, and against itself with one layer computed twice, which makes it
15 % slower. Each round is a whole gate with processes of its own. Exit code 1 unless every planted slowdown is caught,
and every unchanged revision passes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NETWORK = """\
from torch import nn


class Layer(nn.Conv2d):
    times = 1

    def forward(self, maps):
        for _ in range(self.times - 1):
            super().forward(maps)
        return super().forward(maps)


def build(keypoints):
    layers = [Layer(32, 32, 3, padding=1) for _ in range(6)]
    layers[2].times = TIMES
    return nn.Sequential(nn.Conv2d(3, 32, 3, stride=4, padding=1), *layers, nn.Conv2d(32, keypoints, 1))
"""
NEIGHBOUR = "while True: pass"


def repository(folder: Path) -> Path:
    """A git repository whose commit is the plain network; tags: base and slower."""
    folder.mkdir(parents=True)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = ["-c", "user.name=posebench", "-c", "user.email=tests@posebench.invalid", "-c", "commit.gpgsign=false"]

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, env=variables)

    git("init", "--quiet")
    for tag, times in (("slower", "2"), ("base", "1")):
        (folder / "gated_network.py").write_text(NETWORK.replace("TIMES", times))
        git("add", ".")
        git("commit", "--quiet", "--message", tag)
        git("tag", tag)
    return folder


def one_round(folder: Path, head: str) -> tuple[str, str]:
    """(status, reason) of a gate of `head` against base."""
    command = [sys.executable, "-m", "posebench", "gate", "--base", "base", "--head", head, "--quiet"]
    command += ["--model", "gated_network:build", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode > 1:
        return "error", done.stderr.strip()
    (outcome,) = json.loads(done.stdout)
    assert (outcome["status"] == "failed") == (done.returncode == 1)
    return outcome["status"], outcome["reason"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slower", type=int, default=10, help="rounds with the planted slowdown")
    parser.add_argument("--same", type=int, default=20, help="rounds of the unchanged revision")
    asked = parser.parse_args()
    wanted = {"slower": "failed", "base": "passed"}
    right = dict.fromkeys(wanted, 0)
    neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR])
    try:
        with tempfile.TemporaryDirectory() as place:
            folder = repository(Path(place) / "gated")
            for head, rounds in (("slower", asked.slower), ("base", asked.same)):
                for number in range(1, rounds + 1):
                    start = time.monotonic()
                    status, reason = one_round(folder, head)
                    right[head] += status == wanted[head]
                    took = time.monotonic() - start
                    print(f"{head} {number}/{rounds}: {status} after {took:.0f} s: {reason}", flush=True)
    finally:
        neighbour.kill()
        neighbour.wait()
    print(f"caught {right['slower']} of {asked.slower}, passed {right['base']} of {asked.same}")
    return 0 if (right["slower"], right["base"]) == (asked.slower, asked.same) else 1


if __name__ == "__main__":
    sys.exit(main())
