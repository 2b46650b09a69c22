"""Keypoint similarity by joint against pycocotools: its matching, and its OKS as the mean over a person's joints."""

import math

import numpy as np
import pytest
from known_answers import DATA
from perfect_results import annotated_results
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from posebench.pose.datasets.coco import COCO as COCO_DATA
from posebench.pose.evaluation.bootstrap import paired_bootstrap
from posebench.pose.evaluation.coco_metrics import coco_statistics, make_results, read_ground_truth
from posebench.pose.evaluation.joint_similarity import joint_evidence

SIGMAS = COCO_DATA.skeleton.oks_sigmas


@pytest.fixture(scope="module")
def ground_truth():
    return read_ground_truth(DATA / "reference_coco_gt.json")


@pytest.fixture(scope="module")
def results(reference):
    keep = reference["coco_out_kept_pred_index"]
    names = "coco_in_pred_image_ids", "coco_in_pred_keypoints"
    return make_results(*(reference[name][keep] for name in names), reference["coco_out_kept_rescored"])


def matched_by_pycocotools(ground_truth, results):
    """(image id, person, pose, OKS) of its matching at a least OKS of 0."""
    truth = COCO()
    truth.dataset = ground_truth
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes([dict(result) for result in results]), "keypoints")
    evaluation.params.iouThrs = np.array([0.0])
    evaluation.evaluate()
    for entry in evaluation.evalImgs[: len(evaluation.params.imgIds)]:
        for pose, person in zip(entry["dtIds"], entry["dtMatches"][0], strict=True) if entry else ():
            if person:
                oks = evaluation.ious[entry["image_id"], 1]
                row, column = entry["dtIds"].index(pose), [g["id"] for g in evaluation._gts[entry["image_id"], 1]]
                yield entry["image_id"], truth.anns[person], results[pose - 1], oks[row, column.index(person)]


def test_the_joints_of_each_person_have_its_oks_as_their_mean(ground_truth, results):
    images = sorted(image["id"] for image in ground_truth["images"])
    by_hand, matches = np.zeros((len(images), 17)), 0
    for image, person, pose, oks in matched_by_pycocotools(ground_truth, results):
        own = {}
        for joint, sigma in enumerate(SIGMAS):
            x, y, v = person["keypoints"][3 * joint : 3 * joint + 3]
            squared = (pose["keypoints"][3 * joint] - x) ** 2 + (pose["keypoints"][3 * joint + 1] - y) ** 2
            if v > 0:
                own[joint] = math.exp(-squared / (2 * (person["area"] + np.spacing(1)) * (2 * sigma) ** 2))
        if not own or person["iscrowd"]:  # a crowd, or a person of whom nothing is annotated
            continue
        assert sum(own.values()) / len(own) == pytest.approx(oks, abs=1e-9)
        for joint, similarity in own.items():
            by_hand[images.index(image), joint] += similarity
        matches += 1
    evidence = joint_evidence(ground_truth, results, SIGMAS)
    assert matches > 10 and evidence["joint_similarity"] == pytest.approx(by_hand, abs=1e-5)
    people = [p for p in ground_truth["annotations"] if not p["iscrowd"]]
    labelled = sum((np.array(p["keypoints"][2::3]) > 0).astype(int) for p in people)
    assert evidence["joint_people"].sum(axis=0).tolist() == labelled.tolist()


def test_the_truth_has_similarity_one_in_every_joint_and_what_is_missing_has_none(ground_truth):
    perfect = annotated_results(ground_truth)
    evidence = joint_evidence(ground_truth, perfect, SIGMAS)
    assert np.array_equal(evidence["joint_similarity"], evidence["joint_people"])
    nobody = joint_evidence(ground_truth, [], SIGMAS)
    assert not nobody["joint_similarity"].any() and np.array_equal(nobody["joint_people"], evidence["joint_people"])


def test_evidence_from_before_joints_were_kept_compares_with_todays(ground_truth, results):
    _, today = coco_statistics(ground_truth, results)
    _, perfect = coco_statistics(ground_truth, annotated_results(ground_truth))
    before = {name: array for name, array in today.items() if not name.startswith("joint_")}
    assert before.keys() < today.keys()
    assert paired_bootstrap(perfect, before) == paired_bootstrap(perfect, today)
