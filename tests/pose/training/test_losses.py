
import numpy as np
import pytest
import torch
from reference import DATA

from posebench.pose.reductions.scorer import scorer_loss
from posebench.pose.training.losses import mse, mse_hard_joints, sum_squares


@pytest.fixture(scope="module")
def reference():
    return np.load(DATA / "reference_loss.npz")


@pytest.fixture(scope="module")
def maps(reference):
    return [torch.from_numpy(reference[f"in_{name}"]) for name in ("output", "target", "target_weight")]


def test_mse_equals_the_reference_implementation(reference, maps):
    output, target, weight = maps
    assert mse(output, target, weight).item() == pytest.approx(float(reference["out_mse_weighted"]), rel=1e-6)
    assert mse(output, target).item() == pytest.approx(float(reference["out_mse_unweighted"]), rel=1e-6)


def test_the_loss_of_the_eight_hardest_joints_equals_the_reference_implementation(reference, maps):
    expected = float(reference["out_ohkm_top8_weighted"])
    assert mse_hard_joints(*maps).item() == pytest.approx(expected, rel=1e-6)


def test_sum_squares_is_the_squared_error_per_map(maps):
    output, target, weight = (m.numpy().astype(np.float64) for m in maps)
    total = 0.0
    for sample in range(4):
        for joint in range(17):
            total += ((weight[sample, joint] * (output[sample, joint] - target[sample, joint])) ** 2).sum()
    assert sum_squares(*maps).item() == pytest.approx(total / (4 * 17), rel=1e-6)


@pytest.mark.parametrize("loss, size_matters", [(sum_squares, False), (mse, True)])
def test_only_mse_has_gradients_that_shrink_as_the_map_grows(loss, size_matters):
    gradients = []
    for size in (6, 24):
        output = torch.zeros(2, 3, size, size, requires_grad=True)
        target = torch.zeros(2, 3, size, size)
        target[:, :, 2, 3] = 1
        loss(output, target, torch.ones(2, 3, 1)).backward()
        gradients.append(output.grad[0, 0, 2, 3].item())
    assert gradients[0] < 0
    assert (gradients[0] / gradients[1] == pytest.approx(16)) if size_matters else (gradients[0] == gradients[1])


@pytest.mark.parametrize("loss", [mse, sum_squares])
def test_a_joint_of_weight_zero_does_not_count(loss):
    output, target = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    weight = torch.tensor([[[1.0], [0.0], [1.0]]]).expand(2, 3, 1)
    changed = output.clone()
    changed[:, 1] += 5
    assert loss(changed, target, weight) == loss(output, target, weight)


@pytest.mark.parametrize("size, grid", [((24, 18), (8, 6)), ((10, 7), (4, 3))], ids=["even cells", "uneven cells"])
def test_the_scorer_learns_whether_a_cell_holds_a_joint(size, grid):
    random = np.random.default_rng(0)
    target = random.random((2, 5, *size)) * (random.random((2, 5, *size)) < 0.05)
    logits = random.standard_normal((2, grid[0] * grid[1]))
    total = 0.0
    for sample in range(2):
        for row in range(grid[0]):
            for column in range(grid[1]):
                # cell i of n covers pixels floor(i size / n) to ceil((i + 1) size / n), as adaptive pooling defines it
                top, bottom = row * size[0] // grid[0], -(-(row + 1) * size[0] // grid[0])
                left, right = column * size[1] // grid[1], -(-(column + 1) * size[1] // grid[1])
                label = target[sample, :, top:bottom, left:right].max()
                chance = 1 / (1 + np.exp(-logits[sample, row * grid[1] + column]))
                total -= label * np.log(chance) + (1 - label) * np.log(1 - chance)
    loss = scorer_loss(torch.tensor(logits), torch.tensor(target, dtype=torch.float32), grid)
    assert loss.item() == pytest.approx(total / logits.size, rel=1e-5)
