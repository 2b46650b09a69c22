import numpy as np
import pytest

from posebench.pose.errors import InputError
from posebench.pose.evaluation.decode import decode, decode_to_image, find_peaks, gaussian_kernel, smooth


def gaussians(points: np.ndarray, size: tuple[int, int] = (32, 24), sigma: float = 2.0) -> np.ndarray:
    """Maps (1, J, h, w) with a Gaussian at each of points (J, 2)."""
    y, x = np.mgrid[: size[0], : size[1]]
    distance = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    return np.exp(-distance / (2 * sigma**2))[None].astype(np.float32)


@pytest.mark.parametrize("case", ["coco", "mpii"])
@pytest.mark.parametrize("method", ["dark", "hrnet"])
def test_the_published_maps_decode_to_the_published_coordinates(reference, case, method):
    given, wanted = (f"decode_{case}_{way}" for way in ("in", "out"))
    maps, stable = reference[f"{given}_heatmaps"], reference[f"{wanted}_stable"]
    crops = reference[f"{given}_center"], reference[f"{given}_scale"]
    coords, scores = decode(maps, method)
    assert np.abs(coords - reference[f"{wanted}_final_coords_heatmap_px__{method}"])[stable].max() < 1e-3
    assert np.array_equal(scores, reference[f"{wanted}_maxvals"][..., 0])
    image_px = decode_to_image(maps, *crops, method)
    assert np.abs(image_px[..., :2] - reference[f"{wanted}_final_preds__{method}"])[stable].max() < 5e-3
    peaks = decode_to_image(maps, *crops, "argmax", method)
    assert np.abs(peaks[..., :2] - reference[f"{wanted}_final_preds_no_post_process__{method}"]).max() < 5e-3


@pytest.mark.parametrize("case", ["coco", "mpii"])
def test_the_smoothed_maps_are_those_published(reference, case):
    blurred = smooth(reference[f"decode_{case}_in_heatmaps"])[1, :4, ::4]
    assert np.abs(blurred - reference[f"decode_{case}_out_blurred_image1_joints0to3_every_4th_row"]).max() < 1e-6
    assert np.allclose(gaussian_kernel(), reference["decode_out_gaussian_kernel_11"], rtol=0, atol=1e-12)


def test_dark_finds_the_top_of_a_gaussian_between_pixels():
    points = np.random.default_rng(0).uniform([8, 8], [15, 23], (200, 2))
    coords, _ = decode(gaussians(points), "dark")
    assert np.abs(coords[0] - points).max() < 0.01


def test_hrnet_moves_a_quarter_pixel_towards_the_larger_neighbour():
    coords, _ = decode(gaussians(np.array([[10.3, 12.6], [10.0, 12.0]])), "hrnet")
    assert np.allclose(coords[0], [[10.25, 12.75], [10.0, 12.0]])


@pytest.mark.parametrize("method", ["dark", "hrnet"])
def test_peaks_at_the_border_are_not_refined(method):
    points = np.array([[0, 0], [1, 12], [22.4, 12.3], [12.3, 1.2], [23, 31]])
    coords, _ = decode(gaussians(points), method)
    untouched = [0, 1, 3, 4] if method == "hrnet" else [0, 1, 2, 3, 4]
    assert np.array_equal(coords[0, untouched], np.round(points)[untouched])


@pytest.mark.parametrize("method", ["dark", "hrnet", "argmax"])
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_map_without_a_positive_value_gives_the_origin(method, value):
    coords, scores = decode(np.full((1, 2, 16, 12), value, np.float32), method)
    assert np.array_equal(coords, np.zeros((1, 2, 2)))
    assert np.array_equal(scores, np.full((1, 2), value))


def test_of_equal_pixels_the_first_is_the_peak():
    maps = np.zeros((1, 1, 8, 6), np.float32)
    maps[0, 0, 3, 2] = maps[0, 0, 5, 1] = 1
    assert find_peaks(maps)[0].tolist() == [[[2, 3]]]


def test_people_are_decoded_independently_of_their_batch():
    maps = np.random.default_rng(1).random((7, 17, 24, 18), dtype=np.float32)
    together, _ = decode(maps)
    alone = np.concatenate([decode(maps[i : i + 1])[0] for i in range(7)])
    assert np.array_equal(together, alone)


def test_an_unknown_method_is_an_input_error():
    with pytest.raises(InputError, match="unknown decoding 'drak'"):
        decode(np.zeros((1, 1, 8, 8)), "drak")
