"""A sweep on people in MPII's layout, from the folder to the page; PCKh is scored once more by hand."""

import csv

import numpy as np
import pytest
from scipy.io import loadmat

from posebench import create_model, load_weights
from posebench.pose.datasets.mpii import SKELETON as MPII
from posebench.pose.evaluation.evaluate import evaluate
from posebench.pose.people.folder import load_people
from posebench.pose.synth import write_synthetic
from posebench.sweeps.request import parse
from posebench.sweeps.runner import execute

OPTIONS = {"masks": "random", "ratios": "0.5", "epochs": 1, "base_epochs": 1, "threads": 1, "jobs": 1, "latency": False}


@pytest.fixture(scope="module")
def mpii_people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mpii_sweep") / "people"
    write_synthetic(folder, train=48, val=24, seed=3, layout="mpii", jobs=1)
    return folder


@pytest.fixture(scope="module")
def folder(mpii_people, tmp_path_factory):
    out = tmp_path_factory.mktemp("mpii_sweep") / "out"
    assert not execute(parse(OPTIONS | {"data": mpii_people, "out": out})).failed
    return out


def rows_of(folder):
    with open(folder / "results.csv", newline="") as file:
        return {row["mask"]: row for row in csv.DictReader(file)}


def pckh(poses, truth):
    """Percentage of the annotated joints, pelvis and thorax left out, within half of 0.6 head-box diagonals."""
    corners = truth["headboxes_src"]
    heads = 0.6 * np.linalg.norm(corners[1] - corners[0], axis=0)
    errors = np.linalg.norm(poses[..., :2] + 1 - truth["pos_gt_src"].transpose(2, 0, 1), axis=2) / heads[:, None]
    counted = truth["jnt_missing"].T == 0
    counted[:, [MPII.keypoints.index("pelvis"), MPII.keypoints.index("thorax")]] = False
    return 100 * (errors[counted] <= 0.5).mean()


def test_a_sweep_on_mpii_leaves_pckh_and_the_loss_in_its_rows(folder):
    rows = rows_of(folder)
    assert set(rows) == {"none", "random"}
    for mask, row in rows.items():
        assert (row["status"], row["dataset"], row["eval_people"]) == ("ok", "mpii", "24")
        assert int(row["tokens_kept"]) == (64 if mask == "none" else 32)
        assert 0 < float(row["pckh"]) < 100 and not row["ap"]
        log = (folder / "cells" / row["cell"] / "log.csv").read_text().splitlines()
        logged = dict(zip(log[0].split(","), log[-1].split(","), strict=True))
        assert float(row["loss_final"]) == pytest.approx(float(logged["loss"]), rel=1e-4)
    assert rows["none"]["pckh"] != rows["random"]["pckh"]


def test_its_pckh_is_that_of_the_trained_weights_scored_by_hand(folder, mpii_people):
    truth = loadmat(mpii_people / "annot" / "gt_valid.mat")
    for mask, row in rows_of(folder).items():
        model = create_model("tmpose_tiny", dataset="mpii", mask=mask, mask_ratio=float(row["mask_ratio"]))
        load_weights(model, folder / "cells" / row["cell"] / "last.pt")
        data = load_people(mpii_people, "val", input_size=model.spec.input_size)
        poses = evaluate(model, data, resamples=0).predictions
        assert float(row["pckh"]) == pytest.approx(pckh(poses, truth))


def test_its_page_speaks_of_pckh_and_gives_that_of_each_cell(folder):
    page = (folder / "report.html").read_text()
    assert "PCKh" in page
    for row in rows_of(folder).values():
        assert row["cell"] in page and f"{float(row['pckh']):.1f}" in page
