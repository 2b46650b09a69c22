import json
import math

import numpy as np
import pytest
from known_answers import DATA
from perfect_results import annotated_results
from photographs import COCO_PEOPLE

from posebench.pose.errors import InputError
from posebench.pose.evaluation.coco_metrics import (
    STATISTICS,
    coco_statistics,
    make_results,
    read_ground_truth,
    write_results,
)


@pytest.fixture(scope="module")
def ground_truth():
    return read_ground_truth(DATA / "reference_coco_gt.json")


def test_the_ten_statistics_are_the_published_ones(reference, ground_truth):
    keep = reference["coco_out_kept_pred_index"]
    results = make_results(
        reference["coco_in_pred_image_ids"][keep],
        reference["coco_in_pred_keypoints"][keep],
        reference["coco_out_kept_rescored"],
    )
    statistics, _ = coco_statistics(ground_truth, results)
    assert list(statistics) == list(STATISTICS)
    assert np.allclose(list(statistics.values()), reference["coco_out_stats"], rtol=0, atol=1e-12)


def test_the_annotations_score_one_against_themselves(ground_truth):
    statistics, _ = coco_statistics(ground_truth, annotated_results(ground_truth))
    assert set(statistics.values()) == {1.0}


def test_annotations_with_a_crowd_and_an_unlabelled_person_score_one_against_themselves(photographs):
    truth = read_ground_truth(photographs / "coco" / "annotations" / "person_keypoints_val2017.json")
    assert len(truth["annotations"]) == COCO_PEOPLE + 2
    statistics, _ = coco_statistics(truth, annotated_results(truth))
    assert set(statistics.values()) == {1.0}


def test_no_results_score_zero(ground_truth):
    statistics, _ = coco_statistics(ground_truth, [])
    assert set(statistics.values()) == {0.0}


def test_a_statistic_of_nobody_is_nan(ground_truth):
    small = [dict(person, area=min(person["area"], 5000)) for person in ground_truth["annotations"]]
    truth = ground_truth | {"annotations": small}
    statistics, _ = coco_statistics(truth, annotated_results(truth))
    assert math.isnan(statistics["ap_l"])
    assert math.isnan(statistics["ar_l"])
    assert statistics["ap_m"] == 1.0


def test_images_without_results_count_as_missed(ground_truth):
    everyone = annotated_results(ground_truth)
    results = [result for result in everyone if result["image_id"] == everyone[0]["image_id"]]
    assert coco_statistics(ground_truth, results)[0]["ar"] == pytest.approx(len(results) / len(everyone))


def test_any_category_id_of_person_is_scored(tmp_path, ground_truth):
    content = json.loads((DATA / "reference_coco_gt.json").read_text())
    content["categories"] = [{"id": 7, "name": "dog"}, {"id": 42, "name": "person"}]
    for annotation in content["annotations"]:
        annotation["category_id"] = 42
    content["annotations"][0]["category_id"] = 7
    (tmp_path / "gt.json").write_text(json.dumps(content))
    truth = read_ground_truth(tmp_path / "gt.json")
    assert len(truth["annotations"]) == len(ground_truth["annotations"]) - 1
    results = annotated_results(truth)
    assert {result["category_id"] for result in results} == {42}
    assert set(coco_statistics(truth, results)[0].values()) == {1.0}


def test_an_annotation_with_id_zero_counts_like_any_other(tmp_path):
    """pycocotools takes a match with the annotation of id 0 for no match."""
    content = json.loads((DATA / "reference_coco_gt.json").read_text())
    for annotation in content["annotations"]:
        annotation["id"] -= 1
    (tmp_path / "gt.json").write_text(json.dumps(content))
    truth = read_ground_truth(tmp_path / "gt.json")
    assert coco_statistics(truth, annotated_results(truth))[0]["ap"] == 1.0


def test_scoring_prints_nothing(ground_truth, capfd):
    coco_statistics(ground_truth, annotated_results(ground_truth))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_scoring_leaves_the_results_alone(ground_truth):
    results = annotated_results(ground_truth)
    before = json.dumps(results)
    coco_statistics(ground_truth, results)
    assert json.dumps(results) == before


def test_written_results_are_what_pycocotools_reads(tmp_path, reference, ground_truth):
    from pycocotools.coco import COCO as Index

    keypoints = reference["coco_in_pred_keypoints"][:5]
    results = make_results(reference["coco_in_pred_image_ids"][:5], keypoints, np.linspace(0.1, 0.9, 5))
    write_results(tmp_path / "out" / "results.json", results)
    loaded = Index(str(DATA / "reference_coco_gt.json")).loadRes(str(tmp_path / "out" / "results.json"))
    written = [loaded.anns[identity] for identity in sorted(loaded.anns)]
    assert np.allclose([person["keypoints"] for person in written], keypoints.reshape(5, -1))
    assert [person["score"] for person in written] == np.linspace(0.1, 0.9, 5).tolist()


def test_a_broken_annotation_is_named(tmp_path):
    content = json.loads((DATA / "reference_coco_gt.json").read_text())
    del content["annotations"][3]["area"]
    (tmp_path / "gt.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"gt\.json: annotation 3 .*'area' is missing"):
        read_ground_truth(tmp_path / "gt.json")


def test_what_lies_in_the_working_folder_does_not_matter(tmp_path, monkeypatch):
    content = json.loads((DATA / "reference_coco_gt.json").read_text())
    content["images"][0]["file_name"] = "videos/0001.jpg"
    (tmp_path / "gt.json").write_text(json.dumps(content))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "videos").symlink_to("/usr")
    monkeypatch.chdir(tmp_path / "work")
    assert len(read_ground_truth(tmp_path / "gt.json")["images"]) == len(content["images"])
