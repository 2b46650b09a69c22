
import numpy as np
import pytest
import torch
from reference import DATA

from posebench.pose.training.accuracy import heatmap_accuracy


@pytest.fixture(scope="module")
def reference():
    return np.load(DATA / "reference_accuracy.npz")


@pytest.fixture(scope="module")
def maps(reference):
    def draw(name):
        peaks, positive = reference[f"in_{name}_peaks_xy"].astype(int), reference[f"in_{name}_positive"]
        maps = np.zeros((*positive.shape, *reference["in_heatmap_hw"]), np.float32)
        for sample, joint in np.ndindex(positive.shape):
            x, y = peaks[sample, joint]
            maps[sample, joint, y, x] = positive[sample, joint]
        return torch.from_numpy(maps)

    return draw("output"), draw("target")


def test_ours_measures_x_by_the_width_and_y_by_the_height(reference, maps):
    hits = counted = 0
    for sample, joint in np.ndindex(3, 17):
        if not reference["in_target_positive"][sample, joint]:
            continue
        counted += 1
        difference = reference["in_output_peaks_xy"][sample, joint] - reference["in_target_peaks_xy"][sample, joint]
        far = np.hypot(difference[0] / 4.8, difference[1] / 6.4)
        hits += bool(far < 0.5 and reference["in_output_positive"][sample, joint])
    assert [int(v) for v in heatmap_accuracy(*maps)] == [hits, counted]
    assert 0 < hits < counted


def test_joints_without_a_target_are_not_counted_and_empty_outputs_are_misses():
    target, output = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    target[0, :2, 0, 0] = 1
    output[0, 0, 0, 0] = 1
    assert heatmap_accuracy(output, target) == (1, 2)
