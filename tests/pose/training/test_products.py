"""Linear layers by oneDNN are linear layers: values and gradients are torch's, up to the order of sums."""

import pytest
import torch
from torch import nn

from posebench import create_model
from posebench.pose.training.products import pays_on, wide_products

CPU = torch.device("cpu")
here = pytest.mark.skipif(not pays_on(CPU), reason="torch's own products are the fastest on this processor")


def passed(model, x):
    model.zero_grad()
    x = x.clone().requires_grad_()
    y = model(x)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    return [y.detach(), x.grad, *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@here
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_a_linear_layer(bias):
    torch.manual_seed(0)
    layer, x = nn.Linear(24, 40, bias=bias), torch.randn(3, 7, 24).transpose(0, 1)
    twin = nn.Linear(24, 40, bias=bias).double()
    twin.load_state_dict(layer.state_dict())
    exact = passed(twin, x.double())
    with wide_products(layer, CPU):
        assert "forward" in vars(layer)
        found = passed(layer, x)
    for mine, theirs in zip(found, exact, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-5, atol=1e-5)


@here
def test_a_whole_model_trains_on_the_same_gradients_and_is_itself_again():
    torch.manual_seed(0)
    model, images = create_model("tmpose_tiny", mask="none").train(), torch.randn(2, 3, 96, 72)
    plain = passed(model, images)
    with wide_products(model, CPU):
        assert all("forward" in vars(module) for module in model.modules() if type(module) is nn.Linear)
        wide = passed(model, images)
    assert not any("forward" in vars(module) for module in model.modules())
    for mine, theirs in zip(wide, plain, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_no_other_device_and_no_deterministic_run_is_touched():
    assert not pays_on(torch.device("cuda"))
    torch.use_deterministic_algorithms(True)
    try:
        assert not pays_on(CPU)
    finally:
        torch.use_deterministic_algorithms(False)
