"""The switch --as-published reaches the evaluation of a cell too, not only its model."""

from types import SimpleNamespace

import pytest

from posebench import create_model
from posebench.pose.data.synth.write import write_synthetic
from posebench.sweeps.work import evaluate_model

SILENT = SimpleNamespace(progress=lambda stage: None)


@pytest.mark.parametrize(("as_published", "threshold"), [(False, 0.1), (True, 0.11)])
def test_mean_at_a_tenth_is_the_references_only_as_published(tmp_path, as_published, threshold):
    write_synthetic(tmp_path / "people", train=0, val=4, layout="mpii", jobs=1)
    task = {
        "config": {"as_published": as_published, "evaluation": {"flip_test": False, "boxes": "gt"}},
        "data_root": str(tmp_path / "people"),
        "boxes": "gt",
        "device": "cpu",
        "workers": 0,
    }
    model = create_model("tmpose_tiny", dataset="mpii", mask="none")
    found = evaluate_model(model, task, tmp_path, SILENT)
    assert found.metrics["pckh_01_threshold"] == pytest.approx(threshold)
