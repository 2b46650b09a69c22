import dataclasses
import json

import pytest

from posebench.pose.errors import InputError
from posebench.pose.records import from_plain, to_plain
from posebench.pose.training.losses import LOSSES
from posebench.pose.training.recipe import LOSS_NAMES, TINY_FINETUNE, TINY_RECIPE, TrainingRecipe, paper_recipe

SHIPPED = {"coco": paper_recipe("coco"), "mpii": paper_recipe("mpii"), "tiny": TINY_RECIPE, "fine": TINY_FINETUNE}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_recipe_survives_a_json_file(name):
    recipe = SHIPPED[name]
    assert from_plain(TrainingRecipe, json.loads(json.dumps(to_plain(recipe))), "here") == recipe


def test_the_papers_recipe_is_what_the_papers_say():
    recipe = paper_recipe("coco")
    assert (recipe.optimizer, recipe.learning_rate, recipe.epochs) == ("adam", 1e-3, 300)
    assert (recipe.schedule, recipe.milestones, recipe.gamma, recipe.loss) == ("steps", (200, 260), 0.1, "mse")
    assert dataclasses.astuple(recipe.augment) == (0.5, 0.35, 45, 0.3, 9)
    mpii = paper_recipe("mpii").augment
    assert (mpii.scale, mpii.rotation, mpii.half_body) == (0.25, 30, 0)


def test_every_loss_that_a_recipe_may_name_exists():
    assert set(LOSS_NAMES) == set(LOSSES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0}, {"learning_rate": float("nan")}, {"clip_norm": 0},
        {"optimizer": "sgd"}, {"loss": "l1"}, {"schedule": "linear"}, {"workers": -1}, {"seed": -1}, {"gamma": 0},
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_cannot_be_trained_with_is_named(wrong):
    with pytest.raises(InputError) as error:
        TrainingRecipe(**{"epochs": 1, **wrong})
    (name, value), message = *wrong.items(), str(error.value)
    assert name in message and repr(value) in message and "\n" not in message


def test_no_recipe_is_made_up_for_an_unknown_dataset():
    with pytest.raises(InputError, match="coco, mpii"):
        paper_recipe("hands")
