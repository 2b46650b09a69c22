"""Long runs take no more memory, open files and threads at their end than near their beginning, and bounded logs."""

import json
import subprocess
import sys
import time

import psutil
import pytest
import torch
from safetensors.torch import save_file

from posebench.pose.models.zoo import create_model

pytestmark = pytest.mark.slow

#: prints (step, resident bytes, open files, threads) about a hundred times
TRAIN = """
import json, sys
import psutil, torch
from pathlib import Path
from posebench.pose.models.zoo import create_model
from posebench.pose.people.folder import load_people
from posebench.pose.training.loop import train
from posebench.pose.training.recipe import TINY_RECIPE
from dataclasses import replace

torch.set_num_threads(1)
data, out, me = sys.argv[1], sys.argv[2], psutil.Process()
model = create_model("tmpose_tiny", mask="tome", mask_ratio=0.4)
split, val = (load_people(data, name, input_size=model.spec.input_size) for name in ("train", "val"))
seen = set()

def watch(done, total, **info):
    if done // 20 not in seen:
        seen.add(done // 20)
        print(json.dumps([done, me.memory_info().rss, me.num_fds(), me.num_threads()]), flush=True)

recipe = replace(TINY_RECIPE, epochs=84, batch_size=2, workers=0)
train(model, split, val, recipe, Path(out), progress=watch, evaluate_every=7)
"""


def flat(samples, room):
    """samples: (n, 3) memory, files, threads in order of time; the last fifth against the second."""
    early, late = samples[len(samples) // 5 : 2 * len(samples) // 5], samples[-len(samples) // 5 :]
    middle = [[sorted(values)[len(part) // 2] for values in zip(*part, strict=True)] for part in (early, late)]
    (memory, files, threads), (memory_late, files_late, threads_late) = middle
    grew = f"{memory / 2**20:.0f} to {memory_late / 2**20:.0f} MiB, {files} to {files_late} files"
    print(f"{len(samples)} samples: {grew}, {threads} to {threads_late} threads")
    assert memory_late - memory < room
    assert (files_late, threads_late) == (files, threads)


def test_a_training_of_2000_steps(people, tmp_path):
    done = subprocess.run([sys.executable, "-c", TRAIN, people, tmp_path / "run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1][0] >= 1980 and len(lines) > 80
    flat([line[1:] for line in lines], room=16 * 2**20)
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 1 + 84


def test_a_sweep_of_300_cells(people, tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "w.safetensors"
    save_file({n: t.contiguous() for n, t in create_model("tmpose_tiny", mask="none").state_dict().items()}, weights)
    masks = "random,uniform,block,norm,prune,tome,evit,pitome,tofu,dpcknn,centre,first"
    ratios = ",".join(f"{number / 50:g}" for number in range(1, 26))
    command = [
        sys.executable, "-m", "posebench", "sweep", "--data", people, "--weights", weights, "--model", "tmpose_tiny",
        "--mask", masks, "--ratios", ratios, "--jobs", "2", "--threads", "1", "--no-latency", "--no-flip-test",
        "--quiet", "--out", tmp_path / "run",
    ]  # fmt: skip
    sweep = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    samples, cells = [], 0
    while sweep.poll() is None:
        cells = len(list((tmp_path / "run").glob("cells/*/result.json")))
        if 0 < cells < 300:
            with sweep.oneshot():
                samples.append((sweep.memory_info().rss, sweep.num_fds(), sweep.num_threads()))
        time.sleep(0.5)
    assert sweep.returncode == 0, sweep.stderr.read().decode()[-2000:]
    assert cells >= 300
    flat(samples, room=16 * 2**20)
    logs = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*.log"))
    assert logs < 300 * 4096
