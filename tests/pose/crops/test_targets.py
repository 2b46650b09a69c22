"""Target heat maps: against the published implementations' maps and against the formula, pixel by pixel."""

import math

import numpy as np
import pytest

from posebench.pose.crops.targets import gaussian_targets


@pytest.mark.parametrize("convention", ["dark", "hrnet"])
@pytest.mark.parametrize(
    ("case", "size"), [("coco48x64_s2", (64, 48)), ("mpii64x64_s2", (64, 64)), ("coco72x96_s3", (96, 72))]
)
def test_targets_equal_the_reference_maps(reference, case, size, convention):
    joints = reference("target", f"in_{case}__joints_heatmap_px")[:, :2]
    visible = reference("target", f"in_{case}__joints_vis")[:, 0]
    sigma = float(reference("target", f"in_{case}__sigma"))
    target, weight = gaussian_targets(joints, visible, size, sigma, convention)
    assert target.shape == (len(joints), *size) and target.dtype == np.float32 and weight.dtype == np.float32
    expected = reference("target", f"out_{case}__target_every_3rd__{convention}")
    np.testing.assert_allclose(target[:, ::3, ::3], expected, atol=1e-6)
    np.testing.assert_array_equal(weight, reference("target", f"out_{case}__target_weight__{convention}"))


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
