import pytest
import torch
from tiny_run import TinyModel

from posebench.pose.errors import InputError
from posebench.pose.training.optimizer import make_optimizer, parameter_groups
from posebench.pose.training.recipe import TrainingRecipe


def names(model, group):
    return {name for name, value in model.named_parameters() if any(value is p for p in group["params"])}


def test_only_convolution_and_linear_weights_decay_and_frozen_tables_are_left_out():
    model = TinyModel()
    decaying, rest = parameter_groups(model, 0.1)
    assert names(model, decaying) == {"backbone.0.weight", "transformer.head.weight"}
    assert names(model, rest) == {
        "backbone.0.bias", "backbone.1.weight", "backbone.1.bias", "transformer.norm.weight", "transformer.norm.bias",
        "transformer.joint_token", "transformer.head.bias",
    }  # fmt: skip
    assert (decaying["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)


def test_a_step_without_gradient_shrinks_the_decaying_weights_and_nothing_else():
    model = TinyModel()
    optimizer = make_optimizer(model, TrainingRecipe(epochs=1, optimizer="adamw", learning_rate=0.1, weight_decay=0.5))
    before = {name: value.clone() for name, value in model.named_parameters()}
    for value in model.parameters():
        value.grad = torch.zeros_like(value) if value.requires_grad else None
    optimizer.step()
    for name, value in model.named_parameters():
        factor = 1 - 0.1 * 0.5 if name in ("backbone.0.weight", "transformer.head.weight") else 1
        torch.testing.assert_close(value, before[name] * factor, msg=name)


def test_adam_steps_equal_its_closed_form():
    layer = torch.nn.Linear(3, 2, bias=False)
    optimizer = make_optimizer(layer, TrainingRecipe(epochs=1, learning_rate=0.01))
    expected = layer.weight.detach().double().clone()
    mean = square = torch.zeros(2, 3, dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    for step in range(1, 6):  # Kingma and Ba, 2015, algorithm 1
        gradient = torch.randn(2, 3, generator=random, dtype=torch.float64)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        expected -= 0.01 * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
        layer.weight.grad = gradient.float()
        optimizer.step()
    torch.testing.assert_close(layer.weight.detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_a_model_without_trainable_parameters_is_refused():
    with pytest.raises(InputError, match="no trainable parameter"):
        parameter_groups(torch.nn.ReLU(), 0)
