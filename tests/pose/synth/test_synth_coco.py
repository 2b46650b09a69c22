"""The COCO folder: witnesses are pycocotools, the folder check, OpenCV's decoder and the annotations themselves."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO as CocoIndex
from pycocotools.cocoeval import COCOeval

from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.people.check import inspect_folder
from posebench.pose.people.folder import load_people


def annotations(folder: Path, split: str) -> dict:
    return json.loads((folder / f"annotations/person_keypoints_{split}2017.json").read_text())


def keypoint_array(content: dict) -> np.ndarray:
    return np.array([person["keypoints"] for person in content["annotations"]], float).reshape(-1, 17, 3)


@pytest.mark.parametrize(("split", "people"), [("train", 110), ("val", 70)])
def test_holds_exactly_the_people_asked_for(coco_set, split, people):
    content = annotations(coco_set, split)
    assert len(content["annotations"]) == people
    assert len(content["images"]) < people, "some images show several people"
    assert {person["image_id"] for person in content["annotations"]} == {image["id"] for image in content["images"]}


def test_folder_check_finds_nothing_wrong(coco_set):
    assert inspect_folder(coco_set).problems == []


def test_annotations_scored_against_themselves_by_pycocotools_give_one(coco_set):
    index = CocoIndex(str(coco_set / "annotations/person_keypoints_val2017.json"))
    results = [
        {key: person[key] for key in ("image_id", "category_id", "keypoints")} | {"score": 0.9}
        for person in index.dataset["annotations"]
    ]
    evaluation = COCOeval(index, index.loadRes(results), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    everybody, no_large_people = [0, 1, 2, 3, 5, 6, 7, 8], [4, 9]
    assert evaluation.stats[everybody].tolist() == [1.0] * 8
    assert evaluation.stats[no_large_people].tolist() == [-1.0] * 2


def test_images_are_jpegs_of_the_size_that_the_annotations_say(coco_set):
    for split in ("train", "val"):
        for image in annotations(coco_set, split)["images"]:
            path = coco_set / f"images/{split}2017" / image["file_name"]
            assert path.read_bytes()[:2] == b"\xff\xd8"
            assert cv2.imread(str(path)).shape == (image["height"], image["width"], 3)


def test_labelled_keypoints_lie_in_the_image_and_others_are_zero(coco_set):
    content = annotations(coco_set, "train")
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for person, keypoints in zip(content["annotations"], keypoint_array(content), strict=True):
        labelled = keypoints[:, 2] > 0
        width, height = sizes[person["image_id"]]
        assert (keypoints[labelled, :2] >= 0).all()
        assert (keypoints[labelled, :2] <= (width - 1, height - 1)).all()
        assert not keypoints[~labelled].any()
        assert person["num_keypoints"] == labelled.sum() > 0


def test_boxes_and_areas_are_those_of_a_silhouette(coco_set):
    content = annotations(coco_set, "train")
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for person, keypoints in zip(content["annotations"], keypoint_array(content), strict=True):
        x, y, w, h = person["bbox"]
        width, height = sizes[person["image_id"]]
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
        assert 0.1 * w * h < person["area"] < w * h
        seen = keypoints[keypoints[:, 2] == 2, :2]
        assert (seen >= (x - 0.51, y - 0.51)).all() and (seen <= (x + w - 0.49, y + h - 0.49)).all()
        assert person["iscrowd"] == 0 and person["category_id"] == 1


def test_all_three_visibility_flags_occur_and_most_keypoints_are_seen(coco_set):
    flags = keypoint_array(annotations(coco_set, "train"))[:, :, 2]
    shares = [(flags == flag).mean() for flag in (0, 1, 2)]
    assert shares[0] > 0.02 and shares[1] > 0.05 and shares[2] > 0.6


def test_people_differ_in_size_and_extent(coco_set):
    boxes = np.array([person["bbox"] for person in annotations(coco_set, "train")["annotations"]], float)
    longest = boxes[:, 2:].max(axis=1)
    assert np.percentile(longest, 10) < 75 and np.percentile(longest, 90) > 100
    ratio = boxes[:, 2] / boxes[:, 3]
    assert ratio.min() < 0.4 and ratio.max() > 0.8


def test_ids_are_unique_over_both_splits(coco_set):
    people = [person["id"] for split in ("train", "val") for person in annotations(coco_set, split)["annotations"]]
    images = [image["id"] for split in ("train", "val") for image in annotations(coco_set, split)["images"]]
    assert len(set(people)) == len(people) and len(set(images)) == len(images)


def test_file_says_that_it_is_synthetic_and_from_which_seed(coco_set):
    content = annotations(coco_set, "val")
    assert "ynthetic" in content["info"]["description"]
    assert content["info"]["seed"] == 3 and content["info"]["renderer_version"] >= 1
    assert content["categories"][0]["keypoints"] == list(COCO.keypoints)
    assert len(content["categories"][0]["skeleton"]) == 19 and np.min(content["categories"][0]["skeleton"]) == 1


def test_the_ordinary_reader_finds_everybody(coco_set):
    data = load_people(coco_set, "val", input_size=(96, 72))
    assert data.layout == "coco" and len(data.people) == 70


def test_made_up_detections_resemble_the_annotated_boxes_but_not_exactly(coco_set):
    file = coco_set / "person_detection_results/COCO_val2017_detections_synthetic.json"
    detections = json.loads(file.read_text())
    assert load_people(coco_set, "val", boxes=str(file)).people
    scores = np.array([detection["score"] for detection in detections])
    assert scores.min() > 0 and scores.max() <= 1 and np.ptp(scores) > 0.5
    index = CocoIndex(str(coco_set / "annotations/person_keypoints_val2017.json"))
    evaluation = COCOeval(index, index.loadRes(detections), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[1] > 0.85, "AP at IoU 0.5"
    assert 0.3 < evaluation.stats[0] < 0.95, "AP over all IoUs"
