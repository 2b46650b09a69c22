"""Boxes and the affine map: against the published implementations' numbers and against closed forms."""

import cv2
import numpy as np
import pytest

from posebench.pose.crops.affine import apply_affine, crop_matrix, heatmap_to_image, mirrored, warp_crop
from posebench.pose.crops.boxes import box_to_center_scale, clip_box

CONVENTIONS = ("dark", "hrnet")


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("name", "aspect"), [("ar0p75", 0.75), ("ar1p0", 1.0)])
def test_box_gives_the_reference_centre_and_scale(reference, convention, name, aspect):
    boxes = reference("box", "in_xywh")
    centers, scales = zip(*(box_to_center_scale(box, aspect, convention) for box in boxes), strict=True)
    np.testing.assert_allclose(centers, reference("box", f"out_center_{name}__{convention}"), atol=1e-4)
    np.testing.assert_allclose(scales, reference("box", f"out_scale_{name}__{convention}"), rtol=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_crop_matrix_is_the_reference_matrix(reference, convention):
    given = [reference("affine", f"in_{key}") for key in ("center", "scale", "rot_deg", "out_size_wh", "inv", "pts")]
    matrices = reference("affine", f"out_matrix__{convention}")
    mapped = reference("affine", f"out_pts_out__{convention}")
    assert len(matrices) == 40
    for center, scale, rotation, size, inverse, points, matrix, expected in zip(*given, matrices, mapped, strict=True):
        ours = crop_matrix(center, scale, rotation, tuple(size), convention=convention)
        assert ours.dtype == np.float64
        ours = cv2.invertAffineTransform(ours) if inverse else ours
        np.testing.assert_allclose(ours[:, :2], matrix[:, :2], atol=2e-5)
        np.testing.assert_allclose(apply_affine(points, ours), expected, atol=5e-3)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_heatmap_positions_return_to_the_reference_image_positions(reference, convention):
    coords, expected = (
        reference("affine", name) for name in ("in_transform_preds_in", f"out_transform_preds_out__{convention}")
    )
    centers, scales = reference("affine", "in_center")[:6], reference("affine", "in_scale")[:6]
    np.testing.assert_allclose(heatmap_to_image(coords, centers, scales, (48, 64), convention), expected, atol=5e-3)
    one = heatmap_to_image(coords[2], centers[2], scales[2], (48, 64), convention)
    np.testing.assert_allclose(one, expected[2], atol=5e-3)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_position_in_the_output_returns_to_where_the_crop_took_it_from(convention):
    random = np.random.default_rng(0)
    for _ in range(20):
        center, scale = random.uniform(0, 500, 2), random.uniform(0.1, 3, 2)
        there = crop_matrix(center, scale, 0, (48, 64), convention=convention)
        points = random.uniform(-100, 700, (5, 2))
        back = heatmap_to_image(apply_affine(points, there), center, scale, (48, 64), convention)
        np.testing.assert_allclose(back, points, atol=1e-8)


def test_a_box_thinner_than_a_pixel_is_not_turned_inside_out():
    matrix = crop_matrix(np.array([5.0, 5.0]), np.array([0.001, 0.002]), 0, (192, 256))
    assert matrix[0, 0] > 0 and np.isfinite(matrix).all()


@pytest.mark.parametrize("turn", [0, 33, -120])
def test_warp_samples_the_image_where_the_matrix_says(turn):
    # bilinear sampling of an image that is linear in x and y gives the source position itself
    height, width = 200, 250
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    image = np.dstack([columns, rows, np.ones_like(rows)])
    center, scale = np.array([120.0, 100.0]), np.array([0.4, 0.4])
    matrix = crop_matrix(center, scale, turn, (48, 64))
    crop = warp_crop(image, matrix, (48, 64))
    out_rows, out_columns = np.mgrid[:64, :48]
    points = np.dstack([out_columns, out_rows]).reshape(-1, 2)
    source = apply_affine(points, cv2.invertAffineTransform(matrix)).reshape(64, 48, 2)
    inside = crop[:, :, 2] > 0.999
    assert inside.mean() > 0.9
    # fixed-point interpolation: positions are exact to 1/32 px in older OpenCV
    np.testing.assert_allclose(crop[inside][:, :2], source[inside], atol=0.04)


def test_mirrored_matrix_equals_mirroring_the_image_first():
    image = cv2.resize(np.random.default_rng(3).integers(0, 255, (12, 16, 3), dtype=np.uint8), (160, 120))
    matrix = crop_matrix(np.array([70.0, 55.0]), np.array([0.5, 0.5]), 20, (72, 96))
    ours = warp_crop(image, mirrored(matrix, 160), (72, 96)).astype(int)
    expected = warp_crop(np.ascontiguousarray(image[:, ::-1]), matrix, (72, 96)).astype(int)
    assert np.abs(ours - expected).max() <= 5


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_crops_equal_the_reference_crops_within_interpolation(reference, convention):
    size = tuple(int(length) for length in reference("warp", "in_out_size_wh"))
    crops = zip(*(reference("warp", f"in_{name}") for name in ("center", "scale", "rot_deg")), strict=True)
    expected = reference("warp", f"out_crops_every_4th__{convention}").astype(int)
    for (center, scale, turn), wanted in zip(crops, expected, strict=True):
        matrix = crop_matrix(center, scale, turn, size, convention=convention)
        crop = warp_crop(reference("warp", "in_image"), matrix, size).astype(int)
        assert crop.shape == (size[1], size[0], 3)
        assert np.abs(crop[::4, ::4] - wanted).max() <= 5


def test_clipping_keeps_the_part_of_a_box_inside_the_image():
    assert clip_box((-10, -5, 50, 40), 100, 80, "hrnet") == (0, 0, 49, 39)
    assert clip_box((90, 70, 50, 40), 100, 80, "hrnet") == (90, 70, 9, 9)
    assert clip_box((90, 70, 50, 40), 100, 80, "dark") == (90, 70, 10, 10)
    assert clip_box((100.5, 10, 20, 20), 100, 80) is None
