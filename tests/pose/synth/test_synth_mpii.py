"""The MPII folder: witnesses are the published ground truth's structure, the JSON beside the mat, and the metric."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from reference import DATA

from posebench.pose.datasets.mpii import SKELETON as MPII
from posebench.pose.evaluation.mpii_metrics import pckh
from posebench.pose.people.check import inspect_folder
from posebench.pose.people.folder import load_people
from posebench.pose.people.head_sizes import read_head_sizes

REFERENCE = DATA / "reference_mpii_gt_valid.mat"


def entries(folder: Path, split: str) -> list[dict]:
    return json.loads((folder / f"annot/{split}.json").read_text())


def test_holds_exactly_the_people_asked_for_and_is_sound(mpii_set):
    assert len(entries(mpii_set, "train")) == 110 and len(entries(mpii_set, "valid")) == 70
    assert inspect_folder(mpii_set).problems == []


def test_ground_truth_file_has_the_structure_of_the_published_one(mpii_set):
    ours, reference = scipy.io.loadmat(mpii_set / "annot/gt_valid.mat"), scipy.io.loadmat(REFERENCE)
    names = [name for name in reference if not name.startswith("__")]
    assert sorted(names) == sorted(name for name in ours if not name.startswith("__"))
    for name in names:
        assert ours[name].dtype == reference[name].dtype, name
        people = 40 if "joints" not in name else None  # the published one holds 40, ours 70, in the last dimension
        assert ours[name].shape == tuple(70 if size == people else size for size in reference[name].shape), name
    for joint in range(16):
        assert ours["dataset_joints"][0, joint][0] == reference["dataset_joints"][0, joint][0]


def test_ground_truth_file_and_annotations_tell_the_same(mpii_set):
    mat = scipy.io.loadmat(mpii_set / "annot/gt_valid.mat")
    for number, entry in enumerate(entries(mpii_set, "valid")):
        assert np.allclose(mat["pos_gt_src"][:, :, number], entry["joints"])
        assert (mat["jnt_missing"][:, number] == 1 - np.array(entry["joints_vis"])).all()


def test_annotated_joints_score_a_hundred_and_shifted_ones_do_not(mpii_set):
    people = load_people(mpii_set, "val", input_size=(96, 96)).people
    heads = read_head_sizes(mpii_set / "annot/gt_valid.mat")
    joints = np.stack([person.keypoints for person in people])
    shares = {name: value for name, value in pckh(joints, heads).items() if "threshold" not in name}
    assert len(shares) > 8 and {round(value, 6) for value in shares.values()} == {100.0}
    # A head is about 1/6.5 of a standing figure of 60 to 120 px: its box's diagonal is 12 to 30 px, and half of
    # 0.6 of that is 4 to 9 px, so 2 px are forgiven and 20 px are not.
    assert pckh(joints + np.array((2.0, 0.0)), heads)["pckh"] == 100.0
    assert pckh(joints + np.array((20.0, 0.0)), heads)["pckh"] == 0.0


def test_head_box_lies_around_the_line_from_neck_to_head_top(mpii_set):
    mat = scipy.io.loadmat(mpii_set / "annot/gt_valid.mat")
    neck, top = MPII.keypoints.index("upper_neck"), MPII.keypoints.index("head_top")
    for number, entry in enumerate(entries(mpii_set, "valid")):
        if not (entry["joints_vis"][neck] and entry["joints_vis"][top]):
            continue
        middle = (np.array(entry["joints"][neck]) + entry["joints"][top]) / 2
        low, high = mat["headboxes_src"][0, :, number], mat["headboxes_src"][1, :, number]
        assert (low < middle).all() and (middle < high).all()


def test_trunk_joints_lie_between_the_limbs_joints(mpii_set):
    at = MPII.keypoints.index
    for person in load_people(mpii_set, "val").people:
        joints, seen = person.keypoints, person.visible > 0
        if seen[[at("left_hip"), at("right_hip"), at("pelvis")]].all():
            hips = (joints[at("left_hip")] + joints[at("right_hip")]) / 2
            assert np.linalg.norm(joints[at("pelvis")] - hips) < 3
        if seen[[at("left_shoulder"), at("right_shoulder"), at("thorax")]].all():
            shoulders = (joints[at("left_shoulder")] + joints[at("right_shoulder")]) / 2
            assert np.linalg.norm(joints[at("thorax")] - shoulders) < 3


def test_the_readers_crop_is_centred_on_the_silhouettes_box_and_pads_it_by_a_quarter(mpii_set, coco_set):
    coco = json.loads((coco_set / "annotations/person_keypoints_train2017.json").read_text())["annotations"]
    for person, annotation in zip(load_people(mpii_set, "train").people, coco, strict=True):
        x, y, w, h = annotation["bbox"]
        assert person.center == pytest.approx((x + (w - 1) / 2, y + (h - 1) / 2), abs=0.01)
        assert person.scale * 200 == pytest.approx(1.25 * max(w, h), abs=0.01)


def test_both_layouts_show_the_same_pictures(coco_set, mpii_set):
    coco = sorted(path.read_bytes() for path in (coco_set / "images").rglob("*.jpg"))
    assert coco == sorted(path.read_bytes() for path in (mpii_set / "images").glob("*.jpg"))
