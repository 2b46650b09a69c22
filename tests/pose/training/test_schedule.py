import pytest
import torch
from torch.optim import lr_scheduler

from posebench.pose.training.recipe import TrainingRecipe
from posebench.pose.training.schedule import learning_rate


def torch_rates(make_scheduler, steps, every=1):
    """What torch's own scheduler would set before each of `steps` steps, stepped once per `every`."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = make_scheduler(optimizer)
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return rates


def test_steps_equals_torchs_multi_step_schedule():
    recipe = TrainingRecipe(epochs=10, learning_rate=1e-3, milestones=(4, 7), gamma=0.1)
    expected = torch_rates(lambda o: lr_scheduler.MultiStepLR(o, [4, 7], gamma=0.1), steps=50, every=5)
    assert [learning_rate(recipe, step, 5) for step in range(50)] == pytest.approx(expected)


def test_cosine_with_warm_up_equals_torchs_linear_and_cosine_schedules_in_sequence():
    recipe = TrainingRecipe(epochs=10, learning_rate=1e-3, schedule="cosine", warmup_steps=20)
    expected = torch_rates(
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, start_factor=1 / 20, end_factor=1, total_iters=19),
                lr_scheduler.CosineAnnealingLR(o, T_max=280),
            ],
            milestones=[20],
        ),
        steps=300,
    )
    assert [learning_rate(recipe, step, 30) for step in range(300)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_a_run_shorter_than_its_warm_up_only_warms_up(schedule):
    recipe = TrainingRecipe(epochs=1, learning_rate=1.0, schedule=schedule, warmup_steps=200)
    assert [learning_rate(recipe, step, 3) for step in range(3)] == pytest.approx([0.005, 0.01, 0.015])


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_a_run_of_one_step_without_warm_up_has_the_full_rate(schedule):
    assert learning_rate(TrainingRecipe(epochs=1, learning_rate=0.3, schedule=schedule), 0, 1) == 0.3
