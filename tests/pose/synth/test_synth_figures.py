"""What is drawn and what is annotated agree: sides, facing, hiding, silhouettes, lengths of bones."""

import cv2
import numpy as np
import pytest

from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.synth.body import INDEX, Build, articulate, sample_build
from posebench.pose.synth.canvas import Canvas
from posebench.pose.synth.clothing import Look
from posebench.pose.synth.drawing import draw_figure
from posebench.pose.synth.figure import Figure, coco_keypoints, mpii_keypoints
from posebench.pose.synth.pose import Arm, Leg, Pose, sample_pose, sample_yaw
from posebench.pose.synth.scene import RENDERER_VERSION, render_scene

AT = COCO.keypoints.index
BUILD = Build(shoulder=0.11, hip=0.056, head=1.05, girth=1.1, arm=1.0, leg=1.0)
PLAIN = Look(
    skin=(130.0, 165.0, 215.0), hair=(25.0, 25.0, 30.0), hair_style="short", beard=False, top=(60.0, 60.0, 170.0),
    trim=(230.0, 230.0, 232.0), pattern="plain", sleeve="short", bottom=(120.0, 80.0, 45.0), legwear="trousers",
    shoe=(40.0, 40.0, 42.0), bag=None,
)  # fmt: skip
STANDING = Pose(arms=(Arm(15, 90, 0, 5), Arm(15, 90, 0, 5)), legs=(Leg(0, 6, 0, 0), Leg(0, 6, 0, 0)))


def figure_at(x: float, yaw: float = 0.0, pose: Pose = STANDING, scale: float = 100.0) -> Figure:
    return Figure(articulate(pose, BUILD, yaw=yaw, pitch=0.0), PLAIN, scale, complex(x, 70))


def drawn(*figures: Figure) -> Canvas:
    canvas = Canvas(np.full((140, 160, 3), 128, np.uint8))
    for index, figure in enumerate(figures):
        draw_figure(canvas, figure, index)
    return canvas


def keypoints_of(figure: Figure, canvas: Canvas, index: int = 0) -> dict[str, np.ndarray]:
    return dict(zip(COCO.keypoints, coco_keypoints(figure, index, canvas.owner), strict=True))


def test_the_left_side_of_a_figure_that_faces_the_camera_is_on_the_right_of_the_image():
    front, back = figure_at(80, yaw=0), figure_at(80, yaw=180)
    facing, away = keypoints_of(front, drawn(front)), keypoints_of(back, drawn(back))
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "ear"):
        assert facing[f"left_{part}"][0] > facing[f"right_{part}"][0] + 3, part
        assert away[f"left_{part}"][0] < away[f"right_{part}"][0] - 3, part


def test_a_standing_figure_has_its_joints_in_order_from_top_to_bottom():
    figure = figure_at(80)
    points = keypoints_of(figure, drawn(figure))
    heights = [points[name][1] for name in ("left_eye", "nose", "left_shoulder", "left_elbow", "left_hip", "left_knee")]
    assert heights == sorted(heights)
    assert points["left_ankle"][1] - points["nose"][1] == pytest.approx(0.85 * 100, rel=0.1)


def test_everything_is_seen_of_a_figure_that_faces_the_camera():
    figure = figure_at(80)
    assert {name: point[2] for name, point in keypoints_of(figure, drawn(figure)).items()} == dict.fromkeys(
        COCO.keypoints, 2.0
    )


def test_the_face_of_a_figure_that_turns_its_back_is_not_labelled():
    figure = figure_at(80, yaw=180)
    points = keypoints_of(figure, drawn(figure))
    assert [points[name].tolist() for name in ("nose", "left_eye", "right_eye")] == [[0, 0, 0]] * 3
    assert points["left_shoulder"][2] == 2


def test_from_the_side_the_far_shoulder_and_hip_are_hidden_and_the_far_ear_is_not_labelled():
    reaching = Pose(arms=(Arm(80, 0, 0, 5), Arm(80, 0, 0, 5)), legs=STANDING.legs)  # no arm before a hip
    figure = figure_at(70, yaw=90, pose=reaching)  # looks to the right of the image: its right side is nearer
    points = keypoints_of(figure, drawn(figure))
    assert [points[f"right_{part}"][2] for part in ("shoulder", "hip", "knee", "ear")] == [2, 2, 2, 2]
    assert [points[f"left_{part}"][2] for part in ("shoulder", "hip", "ear")] == [1, 1, 0]
    assert points["nose"][0] > points["right_ear"][0]


def test_a_joint_behind_another_person_is_labelled_as_hidden():
    behind, before = figure_at(75), figure_at(85)
    canvas = drawn(behind, before)
    alone = keypoints_of(behind, drawn(behind))
    both = keypoints_of(behind, canvas)
    assert both["left_hip"][2] == 1 and alone["left_hip"][2] == 2
    assert both["left_hip"][:2].tolist() == alone["left_hip"][:2].tolist()
    assert all(point[2] == 2 for point in keypoints_of(before, canvas, 1).values())


def test_a_joint_outside_the_image_is_not_labelled():
    figure = figure_at(2)
    points = keypoints_of(figure, drawn(figure))
    assert points["right_wrist"].tolist() == [0, 0, 0] and points["left_wrist"][2] == 2
    assert (mpii_keypoints(figure, (140, 160))[:, 2] == 0).sum() >= 2


def test_bones_keep_their_length_in_every_pose():
    rng = np.random.default_rng(0)
    bones = [
        (f"{side}_{a}", f"{side}_{b}")
        for side in ("left", "right")
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
    ]
    lengths = []
    for _ in range(50):
        points = articulate(sample_pose(rng), BUILD, yaw=sample_yaw(rng), pitch=rng.normal(0, 10)).points
        lengths.append([np.linalg.norm(points[INDEX[a]] - points[INDEX[b]]) for a, b in bones])
    assert np.ptp(lengths, axis=0).max() < 1e-9
    assert lengths[0][:4] == pytest.approx(lengths[0][4:]), "left and right alike"


def test_knees_and_elbows_bend_the_way_they_do():
    rng = np.random.default_rng(1)
    for _ in range(200):
        pose = sample_pose(rng)
        body = articulate(pose, sample_build(rng), yaw=0, pitch=0)
        for side, arm, leg in zip(("left", "right"), pose.arms, pose.legs, strict=True):
            assert 0 <= arm.bend <= 150 and -10 <= leg.bend <= 150
            shin = body[f"{side}_ankle"] - body[f"{side}_knee"]
            toe = body[f"{side}_toe"] - body[f"{side}_ankle"]
            thigh = body[f"{side}_knee"] - body[f"{side}_hip"]
            if leg.bend > 20:  # the foot points to the side of the knee that the shin does not fold to
                assert toe @ (thigh - shin * (thigh @ shin) / (shin @ shin)) > 0


def test_visible_keypoints_lie_on_changed_pixels_of_the_image():
    """Drawn on a plain background, a figure's seen joints are where the picture is no longer plain."""
    rng = np.random.default_rng(2)
    hits = total = 0
    for _ in range(40):
        body = articulate(sample_pose(rng), sample_build(rng), yaw=sample_yaw(rng), pitch=0)
        figure = Figure(body, PLAIN, 90.0, 80 + 70j)
        canvas = drawn(figure)
        changed = (canvas.image != 128).any(axis=2)
        keypoints = coco_keypoints(figure, 0, canvas.owner)
        for x, y, flag in keypoints:
            if flag == 2:
                hits, total = hits + changed[round(y), round(x)], total + 1
    assert total > 400 and hits / total > 0.99


def test_silhouette_of_the_ownership_map_is_what_was_painted():
    figure = figure_at(80)
    canvas = drawn(figure)
    painted = (np.abs(canvas.image.astype(int) - 128).max(axis=2) > 6).astype(np.uint8)
    owned = (canvas.owner > 0).astype(np.uint8)
    core = cv2.erode(painted, np.ones((3, 3), np.uint8))
    assert (owned[core > 0]).mean() > 0.99 and (painted[owned > 0]).mean() > 0.97


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_person_of_a_scene_can_be_seen(count):
    for number in range(8):
        scene = render_scene(np.random.default_rng([count, number]), count)
        assert len(scene.people) == count
        for person in scene.people:
            assert (person.keypoints[:, 2] == 2).sum() >= 5 and person.area >= 250


def test_poses_are_varied():
    rng = np.random.default_rng(4)
    wrists = np.array([articulate(sample_pose(rng), BUILD, yaw=0, pitch=0)["left_wrist"] for _ in range(300)])
    assert (wrists[:, 1] > 0.5).mean() > 0.05, "some hands are above the head"
    assert (wrists[:, 1] < 0.05).mean() > 0.15, "some hang down"
    assert wrists[:, 0].std() > 0.08 and wrists[:, 2].std() > 0.08


def test_version_2_of_the_renderer_draws_this_picture():
    """Cached sets are kept by version: whoever changes what a seed draws raises RENDERER_VERSION, and these numbers."""
    scene = render_scene(np.random.default_rng([0, 0, 0]), 2)
    trunks = [person.keypoints[[AT("left_shoulder"), AT("left_hip")], :2] for person in scene.people]
    assert RENDERER_VERSION == 2
    assert np.allclose(trunks, [[[29.5, 15.2], [48.1, 22.3]], [[123.7, 55.5], [121.4, 75.4]]], atol=0.06)
    assert scene.image.mean(axis=(0, 1)) == pytest.approx((152.5, 143.6, 126.9), abs=0.5)
