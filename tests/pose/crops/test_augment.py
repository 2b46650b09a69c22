"""Augmentation: the published flip, and the distributions that the papers state."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posebench.pose.crops.augment import (
    Augmentation,
    Draw,
    augmented_box,
    draw_augmentation,
    flip_joints,
    half_body_box,
)
from posebench.pose.crops.person import Person
from posebench.pose.datasets import DATASETS
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.datasets.mpii import SKELETON as MPII


def draws(augmentation: Augmentation, count: int = 4000) -> list[Draw]:
    random = np.random.default_rng(0)
    return [draw_augmentation(augmentation, random) for _ in range(count)]


def person(labelled: int = 17) -> Person:
    keypoints = np.random.default_rng(1).uniform(10, 200, (17, 2))
    visible = (np.arange(17) < labelled).astype(float)
    return Person(Path("x.jpg"), 1, 1, np.array([100.0, 90.0]), np.array([0.75, 1.0]), keypoints, visible)


def test_flipping_joints_gives_the_reference_joints(reference):
    joints, visible = reference("flip", "in_joints_in"), reference("flip", "in_joints_vis_in")
    width = int(reference("flip", "in_joints_image_width"))
    flipped, seen = flip_joints(joints[:, :2], visible[:, 0], width, COCO)
    np.testing.assert_array_equal(seen, reference("flip", "out_joints_vis_out")[:, 0])
    # the reference zeroes what cannot be seen
    np.testing.assert_allclose(flipped * seen[:, None], reference("flip", "out_joints_out")[:, :2])


@pytest.mark.parametrize("skeleton", [COCO, MPII])
def test_flipping_twice_changes_nothing(skeleton):
    random = np.random.default_rng(2)
    joints, visible = random.uniform(0, 300, (skeleton.num_keypoints, 2)), random.integers(0, 2, skeleton.num_keypoints)
    before = joints.copy()
    again = flip_joints(*flip_joints(joints, visible, 320, skeleton), 320, skeleton)
    np.testing.assert_allclose(again[0], joints)
    np.testing.assert_array_equal(again[1], visible)
    np.testing.assert_array_equal(joints, before)  # the caller's array is left alone


def test_scale_and_rotation_are_clipped_normals():
    factors = np.array([draw.scale_factor for draw in draws(DATASETS["coco"].augment)])
    assert factors.min() == pytest.approx(0.65) and factors.max() == pytest.approx(1.35)
    assert np.mean(np.abs(factors - 1) < 0.35 * 0.6745) == pytest.approx(0.5, abs=0.03)  # half of a normal's mass
    turns = np.array([draw.rotation_deg for draw in draws(DATASETS["coco"].augment)])
    assert np.mean(turns == 0) == pytest.approx(0.4, abs=0.03)
    assert turns.min() == -90 and turns.max() == 90
    assert np.mean(np.abs(turns[turns != 0]) < 45) == pytest.approx(0.6827, abs=0.03)
    assert max(abs(draw.rotation_deg) for draw in draws(DATASETS["mpii"].augment)) == 60


def test_flip_and_half_body_come_as_often_as_asked():
    drawn = draws(DATASETS["coco"].augment)
    assert np.mean([draw.flip for draw in drawn]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([draw.half is not None for draw in drawn]) == pytest.approx(0.3, abs=0.03)
    assert {draw.half for draw in drawn} == {"upper", "lower", None}
    assert all(draw.half is None for draw in draws(DATASETS["mpii"].augment))


def test_changing_one_setting_leaves_the_other_draws_alone():
    plain, turned = (draws(replace(DATASETS["coco"].augment, rotation=angle), 50) for angle in (0, 45))
    assert [draw.flip for draw in plain] == [draw.flip for draw in turned]
    assert [draw.scale_factor for draw in plain] == [draw.scale_factor for draw in turned]


@pytest.mark.parametrize("half", ["upper", "lower"])
def test_half_body_box_holds_the_joints_of_that_half(half):
    someone = person()
    center, scale = half_body_box(someone.keypoints, someone.visible, COCO, half, 0.75)
    chosen = someone.keypoints[:11] if half == "upper" else someone.keypoints[11:]
    np.testing.assert_allclose(center, chosen.mean(axis=0))
    width, height = np.ptp(chosen, axis=0)
    assert scale[0] / scale[1] == pytest.approx(0.75)
    assert scale[0] * 200 == pytest.approx(1.5 * max(width, height * 0.75))


def test_half_body_takes_the_half_that_can_be_seen():
    someone = person(labelled=12)  # one joint of the lower half
    center, _ = half_body_box(someone.keypoints, someone.visible, COCO, "lower", 0.75)
    np.testing.assert_allclose(center, someone.keypoints[:11].mean(axis=0))


@pytest.mark.parametrize(("labelled", "applied"), [(8, False), (9, True)])
def test_half_body_needs_nine_visible_joints(labelled, applied):
    someone = person(labelled)
    draw = Draw(half="upper", half_min=DATASETS["coco"].augment.half_body_min)
    center, scale = augmented_box(someone, draw, COCO, 0.75)
    assert (center is not someone.center) == applied
    assert np.array_equal(scale, someone.scale) != applied


def test_people_without_keypoints_are_only_scaled():
    someone = replace(person(), keypoints=None, visible=None)
    center, scale = augmented_box(someone, Draw(scale_factor=1.2, half="upper"), COCO, 0.75)
    np.testing.assert_array_equal(center, someone.center)
    np.testing.assert_allclose(scale, someone.scale * 1.2)
