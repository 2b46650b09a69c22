"""Annotations that are edited while a sweep runs: no two cells of a table are of different ones.

Between two runs: sweeps/test_sweep_store.py (the second is refused).
"""

import json

import pytest

from posebench.pose.errors import InputError
from posebench.pose.people.folder import load_people
from posebench.pose.synth import write_synthetic
from posebench.sweeps.data import check_unchanged, digest
from posebench.sweeps.request import parse
from posebench.sweeps.runner import execute

OPTIONS = {"masks": "random", "ratios": "0.5", "epochs": 1, "base_epochs": 1, "threads": 1, "jobs": 1, "latency": False}


def test_people_are_known_by_every_byte_of_their_annotations(coco):
    before = digest(load_people(coco, "val"))
    check_unchanged(load_people(coco, "val"), before)
    (file,) = (coco / "annotations").glob("*_val2017.json")
    text = file.read_text()
    file.unlink()  # a link to a file of others
    file.write_text(text + " ")
    with pytest.raises(InputError, match="has changed since the sweep began"):
        check_unchanged(load_people(coco, "val"), before)


@pytest.mark.slow
def test_a_cell_of_other_annotations_than_the_sweep_began_with_fails_and_names_them(tmp_path):
    write_synthetic(tmp_path / "people", train=8, val=4, seed=3, jobs=1)
    request = parse(OPTIONS | {"data": tmp_path / "people", "out": tmp_path / "out"})
    (file,) = (tmp_path / "people" / "annotations").glob("*_val2017.json")
    before = file.read_text()
    edited = json.loads(before)
    edited["annotations"][0]["keypoints"][0] += 1
    done = []

    def edit(event):
        done.append(event.name) if event.kind == "done" else None
        if len(done) == 2:  # the base model and the first cell
            file.write_text(json.dumps(edited))

    outcome = execute(request, edit)
    ok, failed = outcome.rows
    assert (ok["status"], failed["status"]) == ("ok", "failed")
    assert failed["error"] == f"{file}: has changed since the sweep began; " + (
        "put the old one back and run the same command again, or give another --out"
    )
    assert not (tmp_path / "out" / "by_size.csv").exists(), "sizes of the new people for results of the old"
    with pytest.raises(InputError, match="other annotations"):
        execute(request)
    file.write_text(before)
    assert not execute(request).failed
