"""Small data folders and weights that each case of the corpus breaks a copy of."""

import os
import shutil

import pytest
from hostile import Refuse

from posebench import create_model
from posebench.pose.synth.write import write_synthetic
from posebench.pose.training.checkpoint import save_checkpoint
from posebench.pose.training.recipe import TINY_RECIPE


@pytest.fixture
def refused(monkeypatch, capfd, tmp_path):
    """Run a command line in an empty folder; it must be refused (see hostile.py)."""
    return Refuse(monkeypatch, capfd, tmp_path)


@pytest.fixture(scope="session")
def sound(tmp_path_factory):
    """A folder with coco/, mpii/ (four people each) and tiny.pt, all in order."""
    folder = tmp_path_factory.mktemp("sound")
    write_synthetic(folder / "coco", train=0, val=4, jobs=1)
    write_synthetic(folder / "mpii", train=0, val=4, jobs=1, layout="mpii")
    model = create_model("tmpose_tiny")
    made = {
        "model": model.state_dict(),
        "config": model.spec.create_arguments(),
        "epoch": 1,
        "recipe": TINY_RECIPE.to_dict(),
    }
    save_checkpoint(folder / "tiny.pt", made)
    return folder


@pytest.fixture
def coco(sound, tmp_path):
    """A copy of the COCO folder; its images are links to the files, which are not edited in place."""
    return shutil.copytree(sound / "coco", tmp_path / "coco", copy_function=os.link)


@pytest.fixture
def mpii(sound, tmp_path):
    return shutil.copytree(sound / "mpii", tmp_path / "mpii", copy_function=os.link)
