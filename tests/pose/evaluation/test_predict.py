import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from known_answers import spec_of
from torch import nn

from posebench import create_model
from posebench.pose.crops.affine import apply_affine, crop_matrix
from posebench.pose.crops.dataset import PoseDataset
from posebench.pose.crops.person import Person
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.errors import InputError
from posebench.pose.evaluation.draw import ShownTokens, draw_prediction, shade_dropped, show_merged
from posebench.pose.evaluation.predict import predict_image


class PointsAtBrightness(nn.Module):
    """Every keypoint is where the image is bright; keeps the tokens 0, 2, 4, ... of 48.

    Its maps' pixels are where the convention has them: corner on corner ("dark") or every fourth ("hrnet").
    """

    def __init__(self, kept: int = 24, decode: str = "dark") -> None:
        super().__init__()
        self.spec = spec_of("coco")
        self.kept = kept
        self.decode = decode

    def forward(self, images, sample_ids):
        light = images.mean(dim=1, keepdim=True)
        if self.decode == "dark":
            maps = F.interpolate(light, self.spec.heatmap_size, mode="bilinear", align_corners=True)
        else:
            maps = light[:, :, ::4, ::4]
        return (maps - maps.amin()).expand(-1, 17, -1, -1) / 5

    def kept_indices(self, images, sample_ids):
        return torch.arange(0, 48, 48 // self.kept).expand(len(images), -1)


@pytest.fixture
def spots(tmp_path):
    """An image with two blurred bright spots, and where they are."""
    at = np.array([[80.0, 60.0], [230.0, 150.0]])
    y, x = np.mgrid[:240, :320]
    light = sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 8.0**2)) for u, v in at)
    image = np.repeat((250 * light).astype(np.uint8)[..., None], 3, axis=2)
    assert cv2.imwrite(str(tmp_path / "spots.png"), image)
    return tmp_path / "spots.png", at


@pytest.mark.parametrize("flip_test", [True, False])
@pytest.mark.parametrize("decode", ["dark", "hrnet"])
def test_a_bright_spot_is_found_where_it_is(spots, flip_test, decode):
    path, at = spots
    boxes = [(30, 10, 90, 110), (180, 90, 100, 100)]
    model = PointsAtBrightness(decode=decode)
    found = predict_image(model, path, boxes, flip_test=flip_test, decode=decode)
    assert found.keypoints.shape == (2, 17, 2)
    tolerance = 0.6 if decode == "dark" else 2.0  # a heatmap px is about 5 image px
    if decode == "hrnet" and flip_test:
        tolerance = 5.0  # its crops are not symmetric under a mirror
    assert np.abs(found.keypoints - at[:, None]).max() < tolerance
    assert found.kept.tolist() == [list(range(0, 48, 2))] * 2


def test_without_boxes_the_image_is_one_person(spots):
    path, at = spots
    found = predict_image(PointsAtBrightness(), path)
    assert len(found.keypoints) == 1
    assert np.abs(found.center[0] - [159.5, 119.5]).max() < 1e-9
    assert np.abs(found.keypoints[0, 0] - at).max(axis=1).min() < 5  # a heatmap px is 13 image px


def test_a_model_that_drops_no_token_has_none_to_show(spots):
    assert predict_image(PointsAtBrightness(kept=48), spots[0]).kept is None


def test_merged_cells_are_drawn_in_the_one_colour_of_their_token(spots):
    model = create_model("tmpose_tiny", mask="tome", mask_ratio=0.6)
    found = predict_image(model, spots[0])
    assert found.holders.shape == (1, 48) and len(np.unique(found.holders)) == model.spec.tokens_kept == 19
    crops = found.kept, model.spec.grid, found.center, found.scale, (96, 72)
    image = cv2.imread(str(spots[0]))
    veiled, merged = (
        draw_prediction(image, found.keypoints, found.scores * 0, COCO, tokens=ShownTokens(*crops, holders))
        for holders in (None, found.holders)
    )
    assert veiled.shape == merged.shape and (veiled != merged).any()
    crop = np.random.default_rng(0).integers(0, 255, (96, 72, 3), dtype=np.uint8)
    cells = show_merged(crop, found.holders[0], (8, 6)).reshape(8, 12, 6, 12, 3)
    own = crop.reshape(8, 12, 6, 12, 3)
    for token in np.unique(found.holders[0]):
        places = np.argwhere(found.holders[0].reshape(8, 6) == token)
        common = np.mean([own[row, :, column] for row, column in places], axis=(0, 1, 2))
        for row, column in places:
            inside = cells[row, 1:, column, 1:].astype(float)  # the first row and column may be a line
            assert np.abs(inside - common).max() <= 0.5


def test_people_below_a_score_are_left_out_with_all_that_belongs_to_them(spots):
    path, _ = spots
    boxes = [(30, 10, 90, 110), (250, 10, 40, 40), (180, 90, 100, 100)]  # the middle one is dark
    found = predict_image(PointsAtBrightness(), path, boxes, [1.0, 1.0, 0.5])
    assert found.person_scores[2] == pytest.approx(0.5 * found.scores[2].mean())
    left = found.above(0.1)
    assert left.boxes.tolist() == [list(boxes[0]), list(boxes[2])]
    for field in ("keypoints", "scores", "person_scores", "kept", "center", "scale"):
        assert np.array_equal(getattr(left, field), getattr(found, field)[[0, 2]])
    assert [result["score"] for result in left.results()] == left.person_scores.tolist()
    image = cv2.imread(str(path))
    nobody = found.above(2)
    plain = draw_prediction(image, nobody.keypoints, nobody.scores, COCO)
    tokens = ShownTokens(nobody.kept, (8, 6), nobody.center, nobody.scale, (256, 192))
    assert np.array_equal(draw_prediction(image, nobody.keypoints, nobody.scores, COCO, tokens=tokens), plain)


def test_a_crowd_is_looked_at_few_at_a_time_in_a_picture_that_is_read_once(spots, monkeypatch):
    boxes = [(30 + 2 * number, 10 + number, 90, 110) for number in range(70)]
    model, given, read = create_model("tmpose_tiny", mask="random", mask_ratio=0.5), [], []
    model.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    decode = cv2.imdecode
    with monkeypatch.context() as patched:
        patched.setattr(cv2, "imdecode", lambda *data: read.append(1) or decode(*data))
        crowd = predict_image(model, spots[0], boxes, flip_test=False)
    assert len(read) == 1 and [len(images) for images in given] == [32, 32, 6]
    people = [Person(spots[0], 0, n, crowd.center[n], crowd.scale[n], None, None) for n in range(70)]
    evaluated = PoseDataset(people, COCO, model.spec.input_size, (24, 18), 1.0, convention=model.spec.convention)
    assert torch.equal(torch.cat(given), torch.stack([item["image"] for item in evaluated]))
    first = predict_image(model, spots[0], boxes[:33], flip_test=False)
    np.testing.assert_allclose(crowd.keypoints[:33], first.keypoints, atol=1e-3)
    assert np.array_equal(crowd.kept[:33], first.kept) and len({*map(tuple, crowd.kept)}) == 70


def test_nobody_is_found_where_no_box_is(spots):
    assert predict_image(PointsAtBrightness(), spots[0], []).keypoints.shape == (0, 17, 2)


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (0, 0, 10), (0, 0, float("nan"), 3)])
def test_an_impossible_box_is_refused(spots, box):
    with pytest.raises(InputError, match=r"spots\.png: .* is not a box"):
        predict_image(PointsAtBrightness(), spots[0], [box])


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.jpg: the image is missing"):
        predict_image(PointsAtBrightness(), tmp_path / "nowhere.jpg")


def test_kept_cells_show_the_crop_and_dropped_ones_do_not():
    crop = np.random.default_rng(0).integers(0, 255, (96, 72, 3), dtype=np.uint8)
    kept = [0, 7, 47]
    shown = (shade_dropped(crop, kept, (8, 6)) == crop).all(axis=2).reshape(8, 12, 6, 12).all(axis=(1, 3))
    assert np.flatnonzero(shown).tolist() == kept


@pytest.mark.parametrize("grey", [0, 40, 255])
def test_a_dropped_cell_differs_from_a_kept_one_on_any_ground(grey):
    crop = np.full((80, 60, 3), grey, np.uint8)
    picture = shade_dropped(crop, [0], (4, 3)).astype(int)
    assert np.abs(picture[0, 0] - picture[-1, -1]).max() >= 30


def test_joints_are_drawn_where_they_are_and_only_there():
    image = np.full((600, 800, 3), 128, np.uint8)
    points = np.full((1, 17, 2), 300.0)
    points[0, :5] = np.linspace([100, 100], [200, 100], 5)
    scores = np.zeros((1, 17))
    scores[0, :5] = 1
    picture = draw_prediction(image, points, scores, COCO)
    changed = np.argwhere((picture != image).any(axis=2))
    assert (picture[100, [100, 125, 150, 175, 200]] != 128).any(axis=1).all()
    assert changed.min(axis=0).tolist() >= [90, 90]
    assert changed.max(axis=0).tolist() <= [110, 210]
    assert (image == 128).all()


def test_a_panel_per_person_stands_beside_the_picture():
    image = np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    center, scale = np.array([[200.0, 300.0], [600.0, 300.0]]), np.full((2, 2), [1.2, 1.6])
    points = np.tile(center[:, None], (1, 17, 1))
    kept = np.tile(np.arange(24), (2, 1))
    page = draw_prediction(image, points, None, COCO, tokens=ShownTokens(kept, (8, 6), center, scale, (128, 96)))
    assert page.shape[0] >= 600
    assert page.shape[1] > 2 * 200 + 800
    plain = draw_prediction(image, points, None, COCO)
    assert plain.shape == image.shape


def test_padding_that_repeats_a_token_is_not_counted():
    crops = np.array([[60.0, 60.0]]), np.array([[0.3, 0.4]]), (128, 96)
    image, points = np.zeros((600, 600, 3), np.uint8), np.zeros((1, 17, 2))
    pages = [
        draw_prediction(image, points, None, COCO, tokens=ShownTokens(np.array([kept]), (8, 6), *crops))
        for kept in ([5, 7], [5, 7, 5], [5, 7, 9])
    ]
    assert np.array_equal(pages[0], pages[1]) and not np.array_equal(pages[0], pages[2])


def test_a_legend_shows_the_colour_of_a_dropped_token():
    crops = np.array([[60.0, 60.0]]), np.array([[0.3, 0.4]]), (128, 96)
    tokens = ShownTokens(np.array([[0]]), (8, 6), *crops)
    black, nothing = np.zeros((600, 600, 3), np.uint8), np.zeros((1, 17))  # no veil there is as light as on grey
    page = draw_prediction(black, np.zeros((1, 17, 2)), nothing, COCO, tokens=tokens)
    grey = shade_dropped(np.full((8, 8, 3), 128, np.uint8), [0], (2, 2))[-1, -1]
    assert (page == grey).all(axis=2).sum() > 100


def test_a_keypoint_far_outside_does_no_harm():
    image = np.zeros((600, 800, 3), np.uint8)
    points = np.random.default_rng(0).uniform(0, 500, (1, 17, 2))
    points[0, 3] = [1e15, -1e15]
    assert draw_prediction(image, points, None, COCO).shape == image.shape


def test_small_images_are_enlarged_for_drawing():
    center, scale = np.array([[36.0, 48.0]]), np.array([[0.45, 0.6]])
    points = apply_affine(
        np.random.default_rng(0).uniform(10, 60, (1, 17, 2)), crop_matrix(*center, *scale, 0, (72, 96))
    )
    assert max(draw_prediction(np.zeros((96, 72, 3), np.uint8), points, None, COCO).shape) == 560
