"""One epoch of the real models on a dozen people, of the small one and, among the slow tests, of the papers'."""

import dataclasses
import shutil

import pytest
import torch

from posebench.pose.models.zoo import create_model
from posebench.pose.people.folder import load_people
from posebench.pose.training.checkpoint import read_checkpoint
from posebench.pose.training.loop import train
from posebench.pose.training.recipe import TINY_RECIPE, paper_recipe


def train_one_epoch(name, people_folder, layout, recipe, folder, **options):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = create_model(name, dataset=layout, **options)
    people = load_people(people_folder, "val", input_size=model.spec.input_size)
    return model, train(model, people, people, dataclasses.replace(recipe, epochs=1, batch_size=4), folder)


@pytest.mark.parametrize("mask", ["none", "random", "semantic", "scorer"])
def test_one_epoch_lowers_the_loss_and_its_checkpoint_is_the_model(mask, photographs, tmp_path):
    ratio = {} if mask == "none" else {"mask_ratio": 0.4}
    model, result = train_one_epoch(
        "tmpose_tiny", photographs / "coco", "coco", TINY_RECIPE, tmp_path, mask=mask, **ratio
    )
    assert result.loss_last < result.loss_first
    assert 0 <= result.history[0]["val_ap"] <= 1 and "val_ap" in (tmp_path / "log.csv").read_text()
    best = read_checkpoint(result.best)
    again = create_model(**best["config"])
    again.load_state_dict(best["model"])
    assert again.spec == model.spec


def test_mpii_without_head_sizes_has_a_loss_but_no_best_model(photographs, tmp_path):
    folder = shutil.copytree(photographs / "mpii", tmp_path / "people")
    (folder / "annot" / "gt_valid.mat").unlink()
    _, result = train_one_epoch("tmpose_tiny", folder, "mpii", TINY_RECIPE, tmp_path / "run")
    assert result.loss_last < result.loss_first
    assert result.history[0]["val_loss"] > 0
    assert result.best is None and not (tmp_path / "run" / "best.pt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["coco", "mpii"])
@pytest.mark.parametrize("name", ["tokenpose_t", "tmpose_b", "tmpose_l"])
def test_one_epoch_of_the_papers_recipe_lowers_the_loss(name, layout, photographs, tmp_path):
    _, result = train_one_epoch(name, photographs / layout, layout, paper_recipe(layout), tmp_path)
    assert result.loss_last < result.loss_first
