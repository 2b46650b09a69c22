"""Boxes of single pictures: found by file name or id, and anything that is no detection named by its place."""

import json

import pytest

from posebench.pose.errors import InputError
from posebench.pose.people.detections import detected_boxes, picture_id

BOX = [10, 20, 30, 40]


def written(folder, records):
    (folder / "found.json").write_text(records if isinstance(records, str) else json.dumps(records))
    return folder / "found.json"


@pytest.mark.parametrize(
    "picture", [{"image_id": 139}, {"image_id": "000000000139.jpg"}, {"file_name": "val2017/000000000139.jpg"}]
)
def test_a_picture_is_found_by_its_id_or_its_file_name(tmp_path, picture):
    other = {"image_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5}
    car = {**picture, "bbox": [1, 2, 3, 4], "score": 0.9, "category_id": 3}
    file = written(tmp_path, [other, {**picture, "bbox": BOX, "score": 0.25}, car, {**picture, "bbox": BOX}])
    (boxes, scores), (nobody, _) = detected_boxes(file, [tmp_path / "000000000139.jpg", tmp_path / "000000000002.jpg"])
    assert boxes.tolist() == [BOX, BOX] and scores.tolist() == [0.25, 1.0]
    assert nobody.shape == (0, 4)


def test_a_picture_without_a_number_is_called_by_its_name(tmp_path):
    assert (picture_id(tmp_path / "000000000139.jpg"), picture_id(tmp_path / "a.jpg")) == (139, "a.jpg")
    file = written(tmp_path, [{"image_id": "a", "bbox": BOX}])
    assert detected_boxes(file, [tmp_path / "a.jpg"])[0][0].tolist() == [BOX]


@pytest.mark.parametrize(
    ("records", "saying"),
    [
        ({"annotations": []}, "must be a list of detections"),
        ("[{", "not valid JSON"),
        ([3], "detection 0: must be an object"),
        ([{"image_id": 1, "bbox": BOX}, {"image_id": 1, "bbox": [1, 2, 3]}], "detection 1: 'bbox' must be 4 numbers"),
        ([{"image_id": 1, "bbox": [1, 2, 0, 3]}], "detection 0: 'bbox' has no extent"),
        ([{"bbox": BOX}], "detection 0: 'image_id' is missing"),
        ([{"image_id": "../a.jpg", "bbox": BOX}], "detection 0: 'image_id' must be a file name"),
        ([{"image_id": 1, "bbox": BOX, "score": "high"}], "detection 0: 'score' must be a finite number"),
        ([{"image_id": 5, "bbox": BOX}], "no person in any of the pictures given"),
    ],
)
def test_what_is_no_detection_of_these_pictures_is_one_line(tmp_path, records, saying):
    with pytest.raises(InputError, match=rf"found\.json: {saying}"):
        detected_boxes(written(tmp_path, records), [tmp_path / "1.jpg"])
