"""A recipe may draw the mask ratio of each step: evenly, repeatably, and leaving the model's own ratio as it was."""

import dataclasses
import sys
from collections import Counter

import pytest
import torch
from tiny_run import RECIPE, draw_people

from posebench import create_model
from posebench.cli import main
from posebench.pose.errors import InputError
from posebench.pose.people.folder import load_people
from posebench.pose.synth import write_synthetic
from posebench.pose.training.checkpoint import read_checkpoint
from posebench.pose.training.loop import train
from posebench.pose.training.ratios import step_ratio
from posebench.pose.training.recipe import TrainingRecipe
from posebench.pose.training.trainer import Trainer

RATIOS = (0.0, 0.25, 0.5)
DRAWN = dataclasses.replace(RECIPE, epochs=3, mask_ratios=RATIOS)


def model_with(mask, ratio=0.5):
    torch.manual_seed(0)
    return create_model("tmpose_tiny", mask=mask, mask_ratio=ratio)


def run(folder, model, recipe=DRAWN, **options):
    torch.set_num_threads(1)
    return train(model, draw_people(folder / "pictures"), None, recipe, folder / "run", **options)


def ratios_seen(model):
    """(in training, ratio) of each forward pass from now on."""
    seen = []
    model.register_forward_pre_hook(lambda *_: seen.append((model.training, model.transformer.mask.ratio)))
    return seen


def assert_equal_tensors(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("mask", ["random", "scorer", "tome"])
def test_a_run_that_is_stopped_within_an_epoch_resumes_to_the_very_same_weights(mask, tmp_path):
    whole = model_with(mask)
    result = run(tmp_path / "whole", whole)
    stopped = model_with(mask)
    seen = []

    def stop(*_):
        seen.append(1)
        if len(seen) == 1 + 3 + 2:  # the loss before the first step, an epoch, and the second step of the next
            raise KeyboardInterrupt

    hook = stopped.register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", stopped)
    hook.remove()
    assert stopped.transformer.mask.ratio == 0.5
    resumed = model_with(mask)
    again = run(tmp_path / "stopped", resumed, resume=True)
    assert_equal_tensors(resumed.state_dict(), whole.state_dict())
    assert [row["loss"] for row in again.history] == [row["loss"] for row in result.history]
    assert again.loss_last == result.loss_last


def test_each_step_has_its_drawn_ratio_and_all_else_the_models_own(tmp_path):
    write_synthetic(tmp_path / "people", train=20, val=4, seed=1, jobs=1)
    model = model_with("random", 0.4)
    seen = ratios_seen(model)
    train_data, val_data = (load_people(tmp_path / "people", split, input_size=(96, 72)) for split in ("train", "val"))
    train(model, train_data, val_data, DRAWN, tmp_path / "run")
    steps_per_epoch = (len(train_data.people) + DRAWN.batch_size - 1) // DRAWN.batch_size
    expected = [(True, 0.4)]  # the loss before the first step
    for epoch in range(3):
        steps = range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)
        expected += [(True, step_ratio(DRAWN, epoch, step)) for step in steps]
        expected += [(False, 0.4)] * 2  # the evaluation: the images and their mirror images
    assert seen == [*expected, (True, 0.4)]
    assert len({ratio for _, ratio in seen}) > 2
    assert model.transformer.mask.ratio == 0.4


def test_every_ratio_is_drawn_as_often_as_the_others():
    counts = Counter(step_ratio(DRAWN, epoch, step) for epoch in range(60) for step in range(100))
    assert counts.keys() == set(RATIOS)
    deviation = (6000 * 1 / 3 * 2 / 3) ** 0.5
    assert all(abs(count - 2000) < 4 * deviation for count in counts.values())


def test_seed_epoch_and_step_each_decide_the_draw():
    def draws(seed, epochs, steps):
        recipe = dataclasses.replace(DRAWN, seed=seed)
        return [step_ratio(recipe, epoch, step) for epoch in epochs for step in steps]

    assert draws(0, [0], range(50)) == draws(0, [0], range(50))
    assert draws(0, [0], range(50)) != draws(1, [0], range(50))
    assert draws(0, [0], range(50)) != draws(0, [1], range(50))
    assert len(set(draws(0, [0], range(50)))) == 3


def test_drawing_from_the_models_own_ratio_alone_changes_nothing(tmp_path):
    plain, drawn = model_with("random"), model_with("random")
    run(tmp_path / "plain", plain, dataclasses.replace(DRAWN, mask_ratios=()))
    run(tmp_path / "drawn", drawn, dataclasses.replace(DRAWN, mask_ratios=(0.5,)))
    assert_equal_tensors(plain.state_dict(), drawn.state_dict())


def test_a_step_that_keeps_all_tokens_teaches_the_scorer_nothing(tmp_path):
    model = model_with("scorer")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run(tmp_path, model, dataclasses.replace(DRAWN, mask_ratios=(0.0,)))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    scorer = {name for name in before if name.startswith("transformer.mask.")}
    assert scorer and not moved & scorer and moved


def test_scores_of_an_earlier_step_are_not_learned_from_when_nothing_is_scored(tmp_path):
    trainer = Trainer(model_with("scorer").train(), draw_people(tmp_path), DRAWN, torch.device("cpu"))
    batch = next(trainer.batches.epoch(0))
    assert [loss.item() > 0 for loss in trainer.forward(batch)[3]] == [True]
    trainer.model.set_mask_ratio(0.0)
    assert trainer.forward(batch)[3] == []


@pytest.mark.parametrize(
    ("made", "ratios", "part"),
    [
        ({"mask": "none"}, (0.0, 0.4), "mask none"),
        ({"mask": "tome", "mask_ratio": 0.5}, (0.0, 0.99), "up to 0.9375"),
    ],
)
def test_a_model_that_cannot_take_the_ratios_is_told_before_the_first_step(made, ratios, part, tmp_path):
    model = create_model("tmpose_tiny", **made)
    before = getattr(model.transformer.mask, "ratio", None)
    with pytest.raises(InputError, match=part) as error:
        run(tmp_path, model, dataclasses.replace(DRAWN, mask_ratios=ratios))
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()
    assert getattr(model.transformer.mask, "ratio", None) == before


def test_a_recipe_with_ratios_says_them_and_one_without_is_written_as_before():
    drawn = dataclasses.replace(RECIPE, mask_ratios=(0.0, 0.4))
    assert drawn.to_dict() == RECIPE.to_dict() | {"mask_ratios": [0.0, 0.4]}
    assert "mask_ratios" not in RECIPE.to_dict()


@pytest.mark.parametrize("ratio", [1.0, -0.1, float("nan"), "0.4"])
def test_a_ratio_that_no_mask_can_have_is_named(ratio):
    with pytest.raises(InputError, match="mask_ratios") as error:
        TrainingRecipe(epochs=1, mask_ratios=(0.0, ratio))
    assert repr(ratio) in str(error.value)


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["posebench", "train", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return end.code
    return 0


def test_the_command_line_hands_the_ratios_to_the_recipe(tmp_path, monkeypatch, capsys):
    write_synthetic(tmp_path / "people", train=8, val=2, seed=1, jobs=1)
    options = ["--data", tmp_path / "people", "--mask", "random", "--epochs", 1, "--evaluate-every", 0, "--threads", 1]
    code = command(monkeypatch, *options, "--train-ratios", "0,0.2,0.6", "--out", tmp_path / "run")
    assert code == 0, capsys.readouterr().err
    assert read_checkpoint(tmp_path / "run" / "last.pt")["recipe"]["mask_ratios"] == [0.0, 0.2, 0.6]


@pytest.mark.parametrize(("ratios", "part"), [("0,1.5", "1.5"), ("0,half", "--train-ratios '0,half'")])
def test_a_mistake_in_the_ratios_is_one_line(ratios, part, tmp_path, monkeypatch, capsys):
    write_synthetic(tmp_path / "people", train=2, val=1, seed=1, jobs=1)
    options = ["--data", tmp_path / "people", "--train-ratios", ratios, "--out", tmp_path / "run"]
    assert command(monkeypatch, *options) == 2
    error = capsys.readouterr().err
    assert part in error and error.count("\n") == 1
