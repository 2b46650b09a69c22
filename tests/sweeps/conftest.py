"""A data set that is just large enough to train on, made once."""

import pytest

from posebench.pose.synth import write_synthetic


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """A COCO folder with 48 people to train on and 24 to evaluate on."""
    folder = tmp_path_factory.mktemp("sweep_data") / "people"
    write_synthetic(folder, train=48, val=24, seed=3, jobs=1)
    return folder
