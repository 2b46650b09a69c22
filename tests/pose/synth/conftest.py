"""One small rendered set of each layout, shared by the tests that only read it."""

from pathlib import Path

import pytest

from posebench.pose.synth import write_synthetic

TRAIN, VAL, SEED = 110, 70, 3


@pytest.fixture(scope="session")
def coco_set(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synth") / "coco"
    write_synthetic(folder, train=TRAIN, val=VAL, seed=SEED, jobs=1)
    return folder


@pytest.fixture(scope="session")
def mpii_set(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synth") / "mpii"
    write_synthetic(folder, train=TRAIN, val=VAL, seed=SEED, layout="mpii", jobs=1)
    return folder
