"""Unbiased coordinates (Huang et al., arXiv 1911.07524): the unit is the step between pixels, not the pixel."""

import cv2
import numpy as np
import pytest

from posebench.pose.crops.affine import apply_affine, crop_matrix, heatmap_to_image, mirrored, warp_crop
from posebench.pose.crops.boxes import box_to_center_scale
from posebench.pose.crops.dataset import PoseDataset
from posebench.pose.crops.targets import gaussian_targets
from posebench.pose.datasets.coco import COCO
from posebench.pose.evaluation.decode import decode

RANDOM = np.random.default_rng(0)
CENTER, SCALE = np.array([120.5, 88.25]), np.array([0.6, 0.8])  # a box of 120 x 160 px


def test_the_boxs_edges_are_the_crops_outermost_pixels():
    corners = [[120.5 - 60, 88.25 - 80], [120.5 + 60, 88.25 + 80]]
    for width, height in [(192, 256), (48, 64), (36, 48)]:
        matrix = crop_matrix(CENTER, SCALE, 0, (width, height), convention="udp")
        np.testing.assert_allclose(apply_affine(corners, matrix), [[0, 0], [width - 1, height - 1]], atol=1e-9)
        ends = heatmap_to_image(np.array([[0, 0], [width - 1, height - 1]]), CENTER, SCALE, (width, height), "udp")
        np.testing.assert_allclose(ends, corners, atol=1e-9)


def test_a_box_is_not_a_pixel_narrower_than_it_says():
    center, scale = box_to_center_scale((10, 20, 90, 120), 0.75, "udp")
    assert center.tolist() == [55, 80]
    np.testing.assert_allclose(scale, [90 * 1.25 / 200, 120 * 1.25 / 200])


@pytest.mark.parametrize("turn", [0, 25, -70])
def test_the_matrix_turns_first_and_then_stretches(turn):
    matrix = crop_matrix(CENTER, SCALE, turn, (192, 256), convention="udp")
    points = RANDOM.uniform(-50, 250, (20, 2))
    # a similarity onto the box, then 191 steps over 120 px and 255 steps over 160 px
    angle = np.radians(turn)
    turned = (points - CENTER) @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = (turned + np.array([60, 80])) * [191 / 120, 255 / 160]
    np.testing.assert_allclose(apply_affine(points, matrix), expected, atol=1e-9)


def test_heatmap_and_crop_agree_where_a_joint_is():
    """Position on the map times (crop - 1) / (map - 1) is the position in the crop."""
    points = RANDOM.uniform(60, 160, (10, 2))
    in_crop = apply_affine(points, crop_matrix(CENTER, SCALE, 12, (192, 256), convention="udp"))
    in_map = apply_affine(points, crop_matrix(CENTER, SCALE, 12, (48, 64), convention="udp"))
    np.testing.assert_allclose(in_map * [191 / 47, 255 / 63], in_crop, atol=1e-9)


def test_a_mirror_image_needs_no_shift():
    """The crop of the mirrored image is the mirrored crop, pixel by pixel, and so are maps: x becomes w - 1 - x."""
    width = 250
    matrix = crop_matrix(CENTER, SCALE, 0, (48, 64), convention="udp")
    other = crop_matrix(np.array([width - 1 - CENTER[0], CENTER[1]]), SCALE, 0, (48, 64), convention="udp")
    points = RANDOM.uniform(60, 160, (10, 2))
    there = apply_affine(np.column_stack([width - 1 - points[:, 0], points[:, 1]]), other)
    np.testing.assert_allclose(there[:, 0], 47 - apply_affine(points, matrix)[:, 0], atol=1e-9)
    image = cv2.resize(RANDOM.integers(0, 255, (20, 25, 3), dtype=np.uint8), (width, 200))
    crop, flipped = warp_crop(image, matrix, (48, 64)), warp_crop(image, mirrored(other, width), (48, 64))
    assert np.abs(crop[:, ::-1].astype(int) - flipped).max() <= 5


def test_targets_lie_at_the_exact_position_and_end_three_sigmas_from_the_nearest_pixel():
    target, weight = gaussian_targets(np.array([[20.4, 30.6], [70.0, 5.0]]), np.ones(2), (64, 48), 2, "udp")
    rows, columns = np.mgrid[:64, :48]
    expected = np.exp(-((columns - 20.4) ** 2 + (rows - 30.6) ** 2) / 8)
    expected[(np.abs(columns - 20) > 6) | (np.abs(rows - 31) > 6)] = 0
    np.testing.assert_allclose(target[0], expected, atol=1e-6)
    assert weight.ravel().tolist() == [1, 0] and not target[1].any()


def naive(heatmap):
    """One map (h, w) read by the formula, with OpenCV's blur and numpy's solver."""
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    logs = np.log(np.clip(cv2.GaussianBlur(heatmap.astype(np.float64), (11, 11), 0), 0.001, 50))
    p = np.pad(logs, 1, mode="edge")[y : y + 3, x : x + 3]  # rows y - 1 .. y + 1
    gradient = np.array([p[1, 2] - p[1, 0], p[2, 1] - p[0, 1]]) / 2
    xy = (p[2, 2] - p[1, 2] - p[2, 1] + 2 * p[1, 1] - p[1, 0] - p[0, 1] + p[0, 0]) / 2
    xx, yy = p[1, 2] - 2 * p[1, 1] + p[1, 0], p[2, 1] - 2 * p[1, 1] + p[0, 1]
    hessian = np.array([[xx, xy], [xy, yy]]) + np.finfo(np.float32).eps * np.eye(2)
    return np.array([x, y]) - np.linalg.solve(hessian, gradient)


def test_decoding_is_a_newton_step_on_the_logarithm_also_at_the_border():
    points = np.concatenate([RANDOM.uniform([0, 0], [35, 47], (60, 2)), [[0, 0], [35, 47], [0.4, 20], [30, 46.7]]])
    maps, _ = gaussian_targets(points, np.ones(64), (48, 36), 2, "udp")
    maps += RANDOM.uniform(0, 0.05, maps.shape).astype(np.float32)
    coords, scores = decode(maps[None], "udp")
    np.testing.assert_allclose(coords[0], [naive(one) for one in maps], atol=1e-7)
    assert scores[0].tolist() == maps.max(axis=(1, 2)).tolist()
    assert decode(np.zeros((1, 2, 48, 36)), "udp")[0].tolist() == [[[0, 0], [0, 0]]]


def test_a_joint_comes_back_to_where_it_was_in_the_image(coco_folder):
    from posebench.pose.people.folder import load_people

    people = load_people(coco_folder, "train", convention="udp").people
    dataset = PoseDataset(people, COCO.skeleton, (256, 192), (64, 48), 2.0, convention="udp")
    for index, person in enumerate(people):
        item = dataset[index]
        coords, _ = decode(item["target"].numpy()[None], "udp")
        found = heatmap_to_image(coords[0], person.center, person.scale, (48, 64), "udp")
        inside = (coords[0] > 8).all(axis=1) & (coords[0] < [39, 55]).all(axis=1)
        seen = (item["target_weight"].numpy()[:, 0] > 0) & inside
        assert seen.sum() >= 5
        assert np.abs(found - person.keypoints)[seen].max() < 0.05
