"""A stranger's package, which announces one reduction, one model and one data set: swept, drawn, and swept again."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from folders import write_hands

MASK = '''
"""Keeps the tokens that stick out."""
from posebench.pose.reductions import Look, Reduction
from posebench.pose.reductions.tokens import highest, keep


def edges(tokens, context, left):
    content = context.content.detach()
    return keep(tokens, highest((content - content.mean(dim=2, keepdim=True)).abs().amax(dim=2), left))


EDGES = Reduction("edges", edges, "what sticks out", look=Look("#13579b", "#8acef0", "H"))
'''
NETWORK = '''
"""A convolution, tokens of 8 x 8 px of which a mask leaves some, a map of each token."""
import torch
from torch import nn
from posebench.pose.reductions.context import Context


class Network(nn.Module):
    def __init__(self, keypoints, size, mask):
        super().__init__()
        self.grid = size[0] // 8, size[1] // 8
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.mask = mask(self.grid, 16)
        self.maps = nn.Linear(16, 4 * keypoints)

    def forward(self, images, sample_ids=None):
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        cells = torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        maps = tokens.new_zeros(*tokens.shape[:2], self.maps.out_features)
        if self.mask is not None:
            attention = lambda: tokens.detach().square().mean(dim=2)[:, None]
            tokens, selected = self.mask(tokens, Context(0, self.grid, cells, tokens, attention), sample_ids)
            cells = cells if selected is None else selected.token_indices
        left = self.maps(tokens)
        maps = maps.scatter(1, cells[:, :, None].expand_as(left), left)
        return nn.functional.pixel_shuffle(maps.transpose(1, 2).unflatten(2, self.grid), 2)


def build(keypoints, input_size, mask):
    return Network(keypoints, input_size, mask)
'''
DATA = '''
"""Hands of 21 keypoints, in COCO's layout and by COCO's metric."""
from posebench.pose.datasets import Dataset
from posebench.pose.keypoints import Skeleton

JOINTS = [f"{finger}_{j}" for finger in ("thumb", "index", "middle", "ring", "little") for j in range(4)]
HANDS = Dataset(
    "hands21", "Hands", Skeleton(("wrist", *JOINTS), (), ((0, 1), (0, 5), (0, 9)), oks_sigmas=(0.05,) * 21),
    read="posebench.pose.people.coco:read_split", evaluate="posebench.pose.evaluation.coco_metrics:evaluate",
)
'''
ENTRY_POINTS = """
[posebench.reductions]
edges = stranger.masks:EDGES
[posebench.models]
patchnet = stranger.networks:build
[posebench.datasets]
hands21 = stranger.hands:HANDS
"""
TESTS = """
from posebench.testing import check_dataset, check_model, check_reduction

check_reduction("edges")
check_model("patchnet", dataset="hands21", input_size=(128, 96), mask="edges", mask_ratio=0.5)
check_dataset("hands21", "hands")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the package as pip would lay it down, and rendered hands."""
    folder = tmp_path_factory.mktemp("own")
    files = {"__init__": "", "masks": MASK, "networks": NETWORK, "hands": DATA}
    for name, text in files.items():
        file = folder / "site" / "stranger" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert sum(text.count("\n") for text in files.values()) <= 65, "a package of about 60 lines"
    info = folder / "site" / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    write_hands(folder / "hands")
    return folder


def run(place, *command):
    """Run Python where the package is installed; its standard output."""
    path = os.pathsep.join([str(place / "site"), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    done = subprocess.run(
        [sys.executable, *command], cwd=place, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def sweep(place):
    """Sweep it, into the same folder each time; the rows by mask."""
    options = "--model patchnet --dataset hands21 --data hands --mask edges,random --ratios 0.5 --epochs 1"
    options += " --base-epochs 1 --jobs 1 --threads 1 --no-latency --out out --quiet"
    run(place, "-m", "posebench", "sweep", *options.split())
    with open(place / "out" / "results.csv", newline="") as file:
        return {row["mask"]: row for row in csv.DictReader(file)}


def done_at(place, cell):
    return next(Path(place / "out").rglob(f"{cell}*/result.json")).stat().st_mtime_ns


def test_it_keeps_the_promises_of_posebench_testing(place):
    run(place, "-c", TESTS)


def test_it_is_swept_and_shown_and_after_an_edit_its_own_cells_run_again_alone(place):
    before = sweep(place)
    assert {(r["model"], r["dataset"], r["status"]) for r in before.values()} == {("patchnet", "hands21", "ok")}
    assert {mask: row["mask_ratio"] for mask, row in before.items()} == {"none": "0.0", "edges": "0.5", "random": "0.5"}
    assert all(0 <= float(row["ap"]) <= 1 and float(row["gflops"]) > 0 for row in before.values())
    page = (place / "out" / "report.html").read_text(encoding="utf-8")
    assert "patchnet" in page and "hands21" in page and "edges 0.5" in page
    assert "--plot-13579b: #8acef0;" in page and "stroke: var(--plot-13579b)" in page, "in its colour"
    assert (place / "out" / "plots" / "masks" / "edges_0.5.png").is_file() and 'alt="edges' in page

    cells = {mask: (row["cell"], done_at(place, row["cell"])) for mask, row in before.items()}
    file = place / "site" / "stranger" / "masks.py"
    text = file.read_text()
    file.write_text(text.replace(" - content.mean", " + content.mean"))
    assert len(text) == len(file.read_text()) and text != file.read_text()
    after = sweep(place)
    again = {mask: (row["cell"], done_at(place, row["cell"])) for mask, row in after.items()}
    assert set(again) == set(cells) and {mask for mask in cells if cells[mask] != again[mask]} == {"edges"}
    assert after["edges"]["cell"] != before["edges"]["cell"]
