import numpy as np
import pytest
import torch

from posebench.pose.datasets import DATASETS
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.evaluation.flip import average_flipped, flip_back


@pytest.mark.parametrize("layout", ["coco", "mpii"])
def test_maps_of_a_mirror_image_turn_back_as_published(reference, layout):
    turned = flip_back(torch.tensor(reference[f"flip_{layout}_in"]), DATASETS[layout].skeleton)
    assert np.array_equal(turned.numpy(), reference[f"flip_{layout}_out"])


def test_turning_back_leaves_its_argument_alone():
    maps = torch.rand(2, 17, 8, 6)
    before = maps.clone()
    flip_back(maps, COCO, shift=True)
    average_flipped(maps, maps, COCO)
    assert torch.equal(maps, before)


def test_turning_back_twice_changes_nothing():
    maps = torch.rand(2, 17, 8, 6)
    assert torch.equal(flip_back(flip_back(maps, COCO), COCO), maps)


def test_the_shift_moves_columns_right_and_keeps_the_first():
    maps = torch.rand(1, 17, 4, 5)
    plain, shifted = flip_back(maps, COCO), flip_back(maps, COCO, shift=True)
    assert torch.equal(shifted[..., 1:], plain[..., :-1])
    assert torch.equal(shifted[..., 0], plain[..., 0])


@pytest.mark.parametrize(("name", "shift"), [("flip", False), ("flip_shift", True)])
def test_averaged_maps_are_those_published(reference, name, shift):
    maps = torch.tensor(reference["validate_in_heatmaps"])
    mirrored = torch.tensor(reference["validate_in_heatmaps_of_flipped_image"])
    averaged = average_flipped(maps, mirrored, COCO, shift=shift).numpy()[:, :, ::8]
    suffix = "__hrnet" if shift else ""
    expected = reference[f"validate_out_{name}__averaged_heatmaps_every_8th_row{suffix}"]
    assert np.allclose(averaged, expected, rtol=0, atol=1e-7)
