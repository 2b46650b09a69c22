"""Target heat maps: against the published implementations' maps and against the formula, pixel by pixel."""

import math

import numpy as np
import pytest
from oracle import ORACLE, needs_oracle

from posebench.pose.data.targets import gaussian_targets


@pytest.mark.parametrize("convention", ["dark", "hrnet"])
def test_targets_equal_the_reference_maps(reference, convention):
    joints, visible = reference("target", "joints")[:, :2], reference("target", "vis")[:, 0]
    target, weight = gaussian_targets(joints, visible, (64, 64), 2, convention)
    assert target.shape == (16, 64, 64) and target.dtype == np.float32 and weight.dtype == np.float32
    np.testing.assert_allclose(target[[0, 3, 5, 9]], reference("target", convention), atol=1e-6)
    np.testing.assert_array_equal(weight, reference("target", f"weight_{convention}"))


@needs_oracle
@pytest.mark.parametrize("convention", ["dark", "hrnet"])
@pytest.mark.parametrize("case", ["coco48x64_s2", "mpii64x64_s2", "coco72x96_s3"])
def test_targets_equal_every_reference_case(case, convention):
    given = np.load(ORACLE / "target.npz")
    expected = given[f"out_{case}__target__{convention}"]
    target, weight = gaussian_targets(
        given[f"in_{case}__joints_heatmap_px"][:, :2],
        given[f"in_{case}__joints_vis"][:, 0],
        expected.shape[1:],
        float(given[f"in_{case}__sigma"]),
        convention,
    )
    np.testing.assert_allclose(target, expected, atol=1e-6)
    np.testing.assert_array_equal(weight, given[f"out_{case}__target_weight__{convention}"])


def test_unbiased_target_is_the_gaussian_of_the_exact_position():
    x, y, sigma = 7.3, 11.8, 1.25
    target, _ = gaussian_targets(np.array([[x, y]]), np.ones(1), (24, 18), sigma)
    for row, column in [(11, 7), (12, 8), (0, 0), (23, 17)]:
        value = math.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))
        assert target[0, row, column] == pytest.approx(value, rel=1e-5, abs=1e-12)


def test_invisible_joints_and_joints_far_outside_have_no_target():
    joints = np.array([[9.0, 12.0], [9.0, 12.0], [40.0, 12.0], [9.0, -30.0]])
    target, weight = gaussian_targets(joints, np.array([1, 0, 1, 1]), (24, 18), 2)
    assert weight.ravel().tolist() == [1, 0, 0, 0]
    assert target[0].max() == 1 and not target[1:].any()
