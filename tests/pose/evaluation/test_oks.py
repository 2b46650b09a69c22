import numpy as np
import pytest

from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.evaluation.oks import nms, oks_matrix, rescore, suppress_duplicates


@pytest.fixture
def poses(reference):
    similarity = oks_matrix(reference["oks_in_keypoints"], reference["oks_in_areas"], COCO.oks_sigmas)
    return similarity, reference["oks_in_scores"]


def test_the_similarity_matrix_is_the_published_one(reference, poses):
    assert np.allclose(poses[0], reference["oks_out_matrix"], rtol=0, atol=1e-12)


def test_a_joint_off_by_twice_its_sigma_costs_what_the_formula_says():
    pose = np.zeros((1, 17, 2))
    other = pose.copy()
    other[0, 0, 0] = 2 * COCO.oks_sigmas[0] * 100  # 2 sigma sqrt(area)
    similarity = oks_matrix(np.concatenate([pose, other]), np.array([1e4, 1e4]), COCO.oks_sigmas)
    assert similarity[0, 1] == pytest.approx((16 + np.exp(-0.5)) / 17)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9])
def test_keep_lists_are_the_published_ones(reference, poses, threshold):
    name = f"thr{threshold}".replace(".", "p")
    assert nms(*poses, threshold).tolist() == reference[f"oks_out_keep_{name}"].tolist()


def test_suppression_leaves_its_arguments_alone(poses):
    similarity, scores = poses
    before = similarity.copy(), scores.copy()
    nms(similarity, scores, 0.5)
    assert np.array_equal(similarity, before[0])
    assert np.array_equal(scores, before[1])


def test_rescoring_and_suppression_over_images_are_the_published_ones(reference):
    keypoints, boxes = reference["coco_in_pred_keypoints"], reference["coco_in_pred_boxes"]
    image_ids = reference["coco_in_pred_image_ids"]
    scores = rescore(keypoints[..., 2], boxes[:, 5])
    assert np.allclose(scores, reference["coco_out_rescored_all"], atol=1e-6)
    keep = suppress_duplicates(image_ids, keypoints, scores, boxes[:, 4], COCO.oks_sigmas, 0.9)
    assert keep.tolist() == reference["coco_out_kept_pred_index"].tolist()
    assert image_ids[keep].tolist() == reference["coco_out_kept_image_ids"].tolist()
    assert np.allclose(scores[keep], reference["coco_out_kept_rescored"], atol=1e-6)


def test_a_pose_without_a_confident_keypoint_scores_nothing():
    assert rescore(np.array([[0.2, 0.1], [0.4, 0.1]]), np.array([0.9, 0.5])).tolist() == [0.0, 0.2]


def test_equal_poses_in_different_images_are_both_kept():
    pose = np.random.default_rng(0).uniform(0, 99, (1, 17, 2)).repeat(3, axis=0)
    scores, areas = np.array([0.5, 0.9, 0.7]), np.full(3, 1e4)
    keep = suppress_duplicates(np.array([8, 5, 8]), pose, scores, areas, COCO.oks_sigmas, 0.9)
    assert keep.tolist() == [2, 1]


def test_nobody_is_suppressed_where_nobody_is():
    nobody = np.zeros((0, 17, 2))
    assert suppress_duplicates(np.zeros(0), nobody, np.zeros(0), np.zeros(0), COCO.oks_sigmas, 0.9).tolist() == []
