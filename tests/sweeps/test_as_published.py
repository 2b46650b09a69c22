"""The switch --as-published reaches the evaluation of a cell too, not only its model."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from small_sweeps import MODEL, unmasked

from posebench import create_model
from posebench.pose.people.folder import load_people
from posebench.pose.synth.write import write_synthetic
from posebench.sweeps.config import EvalConfig, Job
from posebench.sweeps.data import digest
from posebench.sweeps.work import evaluate_model

SILENT = SimpleNamespace(progress=lambda stage: None)


@pytest.mark.parametrize(("as_published", "threshold"), [(False, 0.1), (True, 0.11)])
def test_mean_at_a_tenth_is_the_references_only_as_published(tmp_path, as_published, threshold):
    write_synthetic(tmp_path / "people", train=0, val=4, layout="mpii", jobs=1)
    annotations = digest(load_people(tmp_path / "people", "val"))
    config = replace(MODEL, dataset="mpii", as_published=as_published)
    cell = unmasked(model=config, eval=EvalConfig(annotations, flip_test=False))
    job = Job(cell, data_root=str(tmp_path / "people"), boxes="gt", device="cpu")
    model = create_model("tmpose_tiny", dataset="mpii", mask="none")
    found = evaluate_model(model, job, tmp_path, SILENT)
    assert found.metrics["pckh_01_threshold"] == pytest.approx(threshold)
