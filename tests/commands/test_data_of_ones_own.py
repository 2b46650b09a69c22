"""Data of one's own from the command line: a folder with keypoints of its own, and a data set that is a plug-in."""

import csv
import json
from pathlib import Path

import pytest
import torch
from folders import write_hands

from posebench.pose.models.as_trained import load_model
from posebench.sweeps.data import find_data
from posebench.sweeps.request import parse

QUICK = ("--epochs", "1", "--batch-size", "4", "--threads", "1", "--quiet")
PLUGIN = '''
"""A list of people in a text file: picture, then x and y of two keypoints."""
import numpy as np
from posebench.pose.crops.boxes import box_to_center_scale
from posebench.pose.crops.person import DataSplit, Person
from posebench.pose.datasets import Dataset, Scored
from posebench.pose.errors import InputError
from posebench.pose.keypoints import Skeleton
from posebench.pose.metrics import PCKH


def read(folder, split, dataset, *, boxes, aspect_ratio, convention):
    path = folder / f"{split}.people"
    if not path.is_file():
        raise InputError(f"{path}: is missing")
    people = []
    for number, line in enumerate(path.read_text().split("\\n")):
        name, *values = line.split()
        points = np.array(values, float).reshape(2, 2)
        crop = box_to_center_scale((0, 0, 96, 96), aspect_ratio, convention)
        people.append(Person(folder / name, number, number, *crop, points, np.ones(2)))
    return DataSplit(dataset, folder, split, people, path)


def evaluate(data, keypoints, *, as_published):
    truth = np.stack([person.keypoints for person in data.people])
    found = (np.linalg.norm(keypoints[..., :2] - truth, axis=2) < 10).sum(axis=1)
    share = 100 * found.sum() / (2 * len(truth))
    evidence = {"images": np.arange(len(truth)), "found": found.astype(float), "annotated": np.full(len(truth), 2.0)}
    return Scored({"pckh": share, "of_mine": 1.0}, evidence, keypoints)


ENDS = Dataset("ends", "Ends", Skeleton(("left_end", "right_end"), ((0, 1),), ((0, 1),)), read, evaluate, metric=PCKH)
'''


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    return write_hands(tmp_path_factory.mktemp("data") / "hands")


def test_hands_are_checked_trained_on_evaluated_and_drawn(hands, posebench):
    code, out, _ = posebench("data", "check", hands, "--quiet")
    assert code == 0 and "train: 12 images, 12 people, 252 labelled keypoints" in out and "hand layout, usable" in out
    assert posebench("train", "--data", hands, "--out", "run", "--evaluate-every", "1", *QUICK)[0] == 0
    code, out, _ = posebench("eval", "--data", hands, "--weights", "run/last.pt", "--format", "json", "--quiet")
    (row,) = json.loads(out)
    assert code == 0 and row["dataset"] == "hand" and row["eval_people"] == 6 and 0 <= row["ap"] <= 1
    picture = hands / "images" / "val" / "0.jpg"
    assert posebench("predict", picture, "--weights", "run/last.pt", "--min-score", "0", "--json", "p.json")[0] == 0
    assert len(json.loads(Path("p.json").read_text())[0]["keypoints"]) == 3 * 21


def test_a_checkpoint_makes_its_model_again_without_the_folder(hands, posebench):
    assert posebench("train", "--data", hands, "--out", "run", "--evaluate-every", "0", *QUICK)[0] == 0
    stored = torch.load("run/last.pt", weights_only=True)["config"]
    assert json.loads(json.dumps(stored)) == stored
    model, _ = load_model("run/last.pt")
    assert model.spec.num_keypoints == 21 and model.spec.skeleton.keypoints[0] == "wrist"


def test_hands_are_swept(hands, posebench):
    options = ("--mask", "random", "--ratios", "0.5", "--epochs", "1", "--base-epochs", "1", "--no-latency")
    assert posebench("sweep", "--data", hands, "--out", "sweep", "--jobs", "1", "--quiet", *options)[0] == 0
    with open("sweep/results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["dataset"], row["status"], row["eval_people"]) for row in rows] == [("hand", "ok", "6")] * 2
    assert all(float(row["ap"]) >= 0 for row in rows)


def test_a_plug_in_is_swept_and_its_source_is_part_of_the_key(posebench, hands, monkeypatch):
    monkeypatch.syspath_prepend(".")
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    Path("ends.py").write_text(PLUGIN)
    for split in ("train", "val"):
        lines = [f"{hands}/images/{split}/{n}.jpg 20 30 70 40" for n in range(4)]
        (Path(f"{split}.people")).write_text("\n".join(lines))
    data = ("--data", ".", "--dataset", "ends:ENDS")
    options = ("--mask", "random", "--ratios", "0.5", "--epochs", "1", "--base-epochs", "1", "--no-latency")
    assert posebench("sweep", *data, "--out", "sweep", "--jobs", "1", "--quiet", *options)[0] == 0
    with open("sweep/results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["dataset"], row["status"]) for row in rows] == [("ends:ENDS", "ok")] * 2
    assert all(float(row["pckh"]) >= 0 and row["ap"] == "" for row in rows)
    code, out, _ = posebench("data", "check", ".", "--dataset", "ends:ENDS", "--quiet")
    assert code == 0 and "val: 4 images, 4 people, 8 labelled keypoints" in out
    request = parse({"data": ".", "dataset": "ends:ENDS"})
    before = find_data(request)
    Path("ends.py").write_text(PLUGIN.replace("< 10", "< 11"))
    assert find_data(request).eval_hash != before.eval_hash
