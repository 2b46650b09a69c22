"""Files of other versions: of every kind an older one is read or refused by its number, a newer one is refused."""

import json

import numpy as np
import pytest
import torch
from older_files import PEAKS, PLACES, older, picture
from reference import DATA

from posebench.benchmark.artifacts.metadata import as_text, metadata, read_spec
from posebench.pose.crops.pack import read_manifest
from posebench.pose.errors import InputError
from posebench.pose.models.as_trained import load_model
from posebench.pose.models.weights_file import read_weights
from posebench.pose.models.zoo import create_model
from posebench.pose.training.checkpoint import read_checkpoint
from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.flop_check import read_counts
from posebench.reports.analysis.results import read_results, write_results
from posebench.sweeps.store import SweepStore


def results(path, version):
    write_results(path, [{"schema_version": version, "cell": "c", "model": "m", "mask": "none", "status": "ok"}])
    return lambda: read_results(path)


def sweep(path, version):
    path.mkdir()
    manifest = {"format": "posebench-sweep", "version": version, "asked": {}, "cells": [], "bases": {}}
    (path / "sweep.json").write_text(json.dumps(manifest))
    return lambda: SweepStore(path).manifest()


def pack(path, version):
    path.mkdir()
    content = {"version": version, "dataset": "coco", "input_size": [96, 72], "convention": "dark", "splits": {}}
    (path / "pack.json").write_text(json.dumps(content))
    return lambda: read_manifest(path)


def flops(path, version):
    rows = json.loads((DATA / "flops.json").read_text())["rows"][:1]
    path.write_text(json.dumps({"posebench_flops": version, "rows": rows}))
    return lambda: read_counts(path)


def checkpoint(read):
    def write(path, version):
        config = {"name": "tmpose_tiny", "dataset": "coco", "mask": "none", "mask_ratio": 0.0}
        content = {"format": "posebench", "version": version, "model": {"w": torch.zeros(1)}, "epoch": 1}
        torch.save(content | {"config": config, "recipe": {}}, path)
        return lambda: read(path)

    return write


def exported(path, version):
    known = as_text(metadata(create_model("tmpose_tiny"), dynamic_batch=True, normalise=False))
    assert known["schema_version"] == "1"
    return lambda: read_spec(str(path), known | {"schema_version": str(version)})


KINDS = {
    "results": (results, 1),
    "sweep folder": (sweep, 2),
    "pack": (pack, 1),
    "FLOP baseline": (flops, 1),
    "checkpoint": (checkpoint(read_checkpoint), 1),
    "checkpoint as weights": (checkpoint(read_weights), 1),
    "exported model": (exported, 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_today_s_version_is_read_and_others_are_refused_by_number(kind, tmp_path):
    write, known = KINDS[kind]
    what = kind.removesuffix(" as weights")
    for version, why in ((known + 1, "written by a newer posebench"), (0, "this posebench reads version")):
        path = tmp_path / f"file-{version}"
        with pytest.raises(InputError, match=f"^{path}.*: {what} of version {version}, .*{why}") as error:
            write(path, version)()
        assert "\n" not in str(error.value)
    try:
        write(tmp_path / "today", known)()
    except InputError as error:
        assert "of version" not in str(error), "what these files lack besides is no matter of versions"


def test_results_of_an_older_posebench_are_read_and_compared():
    rows = read_results(DATA / "older" / "results.csv")
    (subject,) = compare(rows)
    assert subject.baseline.accuracy.mean == pytest.approx(0.6537, abs=1e-4)
    assert [point.mask for point in subject.points] == ["random", "random"][: len(subject.points)]
    assert rows["latency_processes"].isna().all() and np.isfinite(rows["ap"]).all()


def test_a_checkpoint_of_an_older_posebench_makes_the_model_that_it_was_trained_as(tmp_path):
    file = older("checkpoint.pt", tmp_path)
    assert read_checkpoint(file)["epoch"] == 1, "a run goes on from it"
    model, _ = load_model(file)
    assert (model.spec.reduction.name, model.spec.reduction.ratio) == ("prune", pytest.approx(0.664))
    with torch.no_grad():
        peaks, places = model.eval()(picture()).flatten(2).max(2)
    assert peaks[0].numpy() == pytest.approx(PEAKS, abs=1e-6) and places[0].tolist() == PLACES


def test_an_exported_model_that_says_no_version_is_of_the_first(tmp_path):
    known = as_text(metadata(create_model("tmpose_tiny"), dynamic_batch=True, normalise=False))
    del known["schema_version"]
    assert read_spec("old.onnx", known).name == "tmpose_tiny"
