import dataclasses
import math

import pytest
import torch
from tiny_run import RECIPE, TinyModel, draw_people, run
from torch.utils.data import default_collate

from posebench import create_model
from posebench.pose.datasets.mpii import MPII
from posebench.pose.errors import InputError, NumericalError
from posebench.pose.training import loop
from posebench.pose.training.accuracy import heatmap_accuracy
from posebench.pose.training.checkpoint import read_checkpoint
from posebench.pose.training.loop import train
from posebench.pose.training.losses import sum_squares
from posebench.pose.training.schedule import learning_rate
from posebench.pose.training.trainer import Trainer, epoch_seed, pose_dataset


def test_training_lowers_the_loss_and_leaves_the_trained_model(tmp_path):
    model = TinyModel()
    result = run(tmp_path, model=model, recipe=dataclasses.replace(RECIPE, epochs=8))
    assert result.loss_last < 0.9 * result.loss_first
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    saved = read_checkpoint(result.last)
    assert saved["config"] == model.spec.create_arguments() and saved["epoch"] == len(result.history) == 8
    fresh = TinyModel()
    fresh.load_state_dict(saved["model"])
    images = torch.rand(2, 3, 32, 24)
    assert torch.equal(fresh.eval()(images), model(images))


def test_first_and_last_loss_are_those_of_the_whole_set_before_and_after(tmp_path):
    recipe = dataclasses.replace(RECIPE, batch_size=20)
    trained = TinyModel()
    result = run(tmp_path, model=trained, recipe=recipe)
    batch = default_collate(list(pose_dataset(trained, draw_people(tmp_path / "pictures"), None, 0)))
    for model, loss in ((TinyModel(), result.loss_first), (trained, result.loss_last)):
        torch.manual_seed(recipe.seed)
        expected = sum_squares(model.train()(batch["image"]), batch["target"], batch["target_weight"])
        assert loss == pytest.approx(expected.item(), rel=1e-6)


def test_the_logged_loss_and_accuracy_are_means_over_the_epochs_people(tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=1)
    result = run(tmp_path, recipe=recipe)
    trainer = Trainer(TinyModel(), draw_people(tmp_path / "pictures"), recipe, torch.device("cpu"))
    torch.manual_seed(epoch_seed(RECIPE.seed, 0))
    trainer.model.train()
    total, hits, joints, people = 0.0, 0, 0, 0
    for step, batch in enumerate(trainer.batches.epoch(0)):
        loss, output, target = trainer.step(batch, learning_rate(recipe, step, 3))
        total, people = total + loss.item() * len(target), people + len(target)
        near, counted = heatmap_accuracy(output, target)
        hits, joints = hits + int(near), joints + int(counted)
    assert people == 20
    assert result.history[0]["loss"] == pytest.approx(total / 20)
    assert result.history[0]["accuracy"] == pytest.approx(hits / joints)
    assert result.history[0]["learning_rate"] == learning_rate(recipe, 2, 3)


def test_the_seed_decides_the_run(tmp_path):
    losses = [
        run(tmp_path / str(number), recipe=dataclasses.replace(RECIPE, seed=seed, epochs=2)).history[-1]["loss"]
        for number, seed in enumerate((3, 3, 4))
    ]
    assert losses[0] == losses[1] != losses[2]


def test_training_leaves_the_callers_random_numbers_alone(tmp_path):
    torch.manual_seed(0)
    run(tmp_path, recipe=dataclasses.replace(RECIPE, epochs=1))
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3))


def test_frozen_parameters_do_not_move_and_all_others_do(tmp_path):
    model = TinyModel()
    run(tmp_path, model=model)
    for (name, trained), initial in zip(model.named_parameters(), TinyModel().parameters(), strict=True):
        assert torch.equal(trained, initial) == (name == "transformer.positions"), name


def test_the_scorer_is_trained_by_its_own_loss(tmp_path):
    def scorer_after(folder, weight):
        torch.manual_seed(0)
        model = create_model("tmpose_tiny", mask="scorer", mask_ratio=0.5)
        before = model.transformer.mask.linear.weight.detach().clone()
        recipe = dataclasses.replace(RECIPE, epochs=1, scorer_weight=weight, weight_decay=0.0)
        run(folder, model=model, recipe=recipe)
        return before, model.transformer.mask.linear.weight.detach()

    assert not torch.equal(*scorer_after(tmp_path / "trained", 0.1))
    assert torch.equal(*scorer_after(tmp_path / "idle", 0.0))


def test_mixed_precision_on_a_cpu_trains_close_to_float32(tmp_path):
    exact = run(tmp_path / "a")
    mixed = run(tmp_path / "b", recipe=dataclasses.replace(RECIPE, amp=True))
    assert mixed.loss_first != exact.loss_first, "bfloat16 was in use"
    assert mixed.loss_last == pytest.approx(exact.loss_last, rel=0.02)


def test_float16_without_cuda_is_refused(tmp_path):
    with pytest.raises(InputError, match="use bfloat16"):
        run(tmp_path, recipe=dataclasses.replace(RECIPE, amp=True, amp_dtype="float16"))


def test_the_gradient_is_clipped(tmp_path):
    recipe = dataclasses.replace(RECIPE, clip_norm=0.01)
    trainer = Trainer(TinyModel().train(), draw_people(tmp_path), recipe, torch.device("cpu"))
    trainer.step(next(trainer.batches.epoch(0)), 1e-3)
    norm = math.sqrt(
        sum(float(p.grad.double().square().sum()) for p in trainer.model.parameters() if p.grad is not None)
    )
    assert norm == pytest.approx(0.01, rel=1e-4)


def test_nan_stops_training_with_epoch_step_and_rate_and_keeps_the_last_good_checkpoint(tmp_path):
    model = TinyModel()
    seen = []

    def poison(module, inputs, output):
        seen.append(1)
        return output * float("nan") if len(seen) == 1 + 3 + 2 else output  # second step of the second epoch

    model.register_forward_hook(poison)
    with pytest.raises(NumericalError) as error:
        run(tmp_path, model=model)
    message = str(error.value)
    assert "epoch 2, step 5, at learning rate 0.00" in message and "last.pt holds the model after epoch 1" in message
    saved = read_checkpoint(tmp_path / "run" / "last.pt")
    assert saved["epoch"] == 1
    assert all(torch.isfinite(value).all() for value in saved["model"].values())


def test_a_weight_that_becomes_infinite_in_the_last_step_is_not_saved(tmp_path):
    model = TinyModel()
    model.transformer.head.bias.register_hook(lambda gradient: gradient * float("inf"))
    one_step = dataclasses.replace(RECIPE, batch_size=20, epochs=1)
    with pytest.raises(NumericalError, match="no checkpoint was written yet"):
        run(tmp_path, model=model, recipe=one_step)
    assert not (tmp_path / "run" / "last.pt").exists()


def test_progress_tells_the_figures_and_ends_at_the_last_step(tmp_path):
    calls = []
    result = run(tmp_path, progress=lambda done, total, **info: calls.append((done, total, info)))
    assert [done for done, *_ in calls] == sorted(done for done, *_ in calls)
    done, total, info = calls[-1]
    assert (done, total, info["epoch"], info["epochs"]) == (12, 12, 4, 4)
    assert (info["loss"], info["accuracy"]) == (result.history[-1]["loss"], result.history[-1]["accuracy"])
    assert info["seconds_left"] == 0 and calls[0][2]["seconds_left"] > 0 and info["images_per_second"] > 0


def test_data_that_does_not_fit_is_refused_with_a_reason(tmp_path):
    people = draw_people(tmp_path / "pictures", 2)
    detections = [dataclasses.replace(person, keypoints=None, visible=None) for person in people.people]
    for data, reason in [
        (dataclasses.replace(people, dataset=MPII), "16 keypoints, but the model tiny was made for 17"),
        (dataclasses.replace(people, people=[]), "no people to train on"),
        (dataclasses.replace(people, people=detections, boxes="found.json"), "found.json: people without keypoints"),
    ]:
        with pytest.raises(InputError, match=reason):
            train(TinyModel(), data, None, RECIPE, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """A run whose epochs have the scores given here; evaluation itself has its own tests."""
    scores = [0.2, 0.4, 0.3, 0.4]
    people = draw_people(tmp_path / "pictures")
    torch.set_num_threads(1)

    def begin(**how):
        ahead = iter(scores[how.pop("done", 0) :])

        def score(model, data, **_):
            return type("Evaluation", (), {"metrics": {"ap": next(ahead), "ar": 0.5}})

        monkeypatch.setattr(loop, "evaluate", score)
        return train(TinyModel(), people, people, RECIPE, tmp_path / "run", **how)

    return begin


def test_best_holds_the_epoch_with_the_highest_ap(scored, tmp_path):
    result = scored()
    assert read_checkpoint(result.best)["epoch"] == 2
    assert [row["val_ap"] for row in result.history] == [0.2, 0.4, 0.3, 0.4]
    header, *rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert header == "epoch,step,learning_rate,loss,accuracy,val_ap,val_ar,seconds"
    assert [row.split(",")[5] for row in rows] == ["0.2", "0.4", "0.3", "0.4"]


@pytest.mark.parametrize("left", [None, 1])
def test_a_run_that_ends_between_its_two_checkpoints_has_its_best_again(left, scored, tmp_path, monkeypatch):
    """In its second epoch, which is the best; of best.pt the first one is there, or nothing."""
    save = loop.save_checkpoint

    def ends(path, contents):
        if path.name == "best.pt" and contents["epoch"] == 2:
            if left is None:
                path.unlink()
            raise KeyboardInterrupt
        save(path, contents)

    monkeypatch.setattr(loop, "save_checkpoint", ends)
    with pytest.raises(KeyboardInterrupt):
        scored()
    assert read_checkpoint(tmp_path / "run" / "last.pt")["epoch"] == 2
    monkeypatch.setattr(loop, "save_checkpoint", save)
    result = scored(done=2, resume=True)
    best = read_checkpoint(result.best)
    assert best["epoch"] == 2 and "optimizer" not in best and len(result.history) == 4
    assert {"format", "version", "config", "recipe", "data", "history", "world_size"} < best.keys()
