"""From joint angles to points: a small forward-kinematics chain in stature units.

Body frame: x to the figure's left, y up, z forward. View frame: x right, y up, z towards the camera. A figure with
yaw 0 faces the camera, so its left side lies on the right of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from .pose import Arm, Leg, Pose

# Rows of the point array. Left comes before right wherever both exist.
POINTS = (
    "pelvis", "waist", "thorax", "neck", "head", "head_top", "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hand", "right_hand", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_toe", "right_toe",
)  # fmt: skip
INDEX = {name: row for row, name in enumerate(POINTS)}


@dataclass(frozen=True)
class Build:
    """Proportions as fractions of stature."""

    shoulder: float  # half the distance between the shoulder joints
    hip: float  # half the distance between the hip joints
    head: float  # size factor of the head
    girth: float  # thickness factor of trunk and limbs
    arm: float  # length factor
    leg: float


def sample_build(rng: np.random.Generator) -> Build:
    child = rng.random() < 0.15
    return Build(
        shoulder=rng.uniform(0.098, 0.126),
        hip=rng.uniform(0.05, 0.064),
        head=rng.uniform(1.2, 1.4) if child else rng.uniform(1.0, 1.15),
        girth=rng.uniform(0.9, 1.4),
        arm=rng.uniform(0.93, 1.06),
        leg=rng.uniform(0.85, 0.95) if child else rng.uniform(0.95, 1.05),
    )


def turn_x(degrees: float) -> np.ndarray:
    """(3, 3) rotation y -> z: leans an upright thing forward."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return np.array(((1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c)))


def turn_y(degrees: float) -> np.ndarray:
    """(3, 3) rotation z -> x: turns a facing to the figure's left."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return np.array(((c, 0.0, s), (0.0, 1.0, 0.0), (-s, 0.0, c)))


def turn_z(degrees: float) -> np.ndarray:
    """(3, 3) rotation x -> y."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return np.array(((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)))


@dataclass(frozen=True)
class Body:
    """`points` (27, 3) in the view frame, stature units, pelvis near the origin; the frames' columns are their axes."""

    points: np.ndarray
    pelvis_frame: np.ndarray
    chest_frame: np.ndarray
    head_frame: np.ndarray
    build: Build
    facing: dict[str, float]  # z of the normal at a point of FACE: 1 straight at the camera, negative turned away

    def __getitem__(self, name: str) -> np.ndarray:
        return self.points[INDEX[name]]


HEAD_AXES = np.array((0.056, 0.076, 0.068))  # half-axes of the skull; times Build.head
# On the unit sphere of the head, scaled by HEAD_AXES.
FACE = {
    "head_top": (0.0, 1.0, 0.0), "nose": (0.0, -0.18, 1.08), "left_eye": (0.4, 0.12, 0.91),
    "right_eye": (-0.4, 0.12, 0.91), "left_ear": (1.0, -0.05, -0.05), "right_ear": (-1.0, -0.05, -0.05),
}  # fmt: skip
_FACE_ROWS = [INDEX[name] for name in FACE]
_FACE_POINTS = np.array(list(FACE.values()))
_FACE_NORMALS = _FACE_POINTS / HEAD_AXES
_FACE_NORMALS /= np.linalg.norm(_FACE_NORMALS, axis=1, keepdims=True)


def _arm_points(chest: np.ndarray, shoulder: np.ndarray, arm: Arm, side: int, length: float) -> tuple[np.ndarray, ...]:
    # A low arm's elbow bends forward whichever way it points; a raised one's follows its plane.
    twist = arm.twist - arm.heading * max(0.0, cos(radians(arm.lift)))
    upper = chest @ turn_y(side * arm.heading) @ turn_x(-arm.lift) @ turn_y(side * twist)
    fore = upper @ turn_x(-arm.bend)
    elbow = shoulder - upper[:, 1] * (0.165 * length)
    wrist = elbow - fore[:, 1] * (0.145 * length)
    return elbow, wrist, wrist - fore[:, 1] * (0.05 * length)


def _leg_points(pelvis: np.ndarray, hip: np.ndarray, leg: Leg, side: int, length: float) -> tuple[np.ndarray, ...]:
    thigh = pelvis @ turn_z(side * leg.spread) @ turn_x(-leg.flex) @ turn_y(side * leg.twist)
    shin = thigh @ turn_x(leg.bend)
    knee = hip - thigh[:, 1] * (0.24 * length)
    ankle = knee - shin[:, 1] * (0.235 * length)
    foot = shin @ turn_x(leg.ankle)
    return knee, ankle, ankle - foot[:, 1] * 0.03 + foot[:, 2] * 0.085


def articulate(pose: Pose, build: Build, *, yaw: float, pitch: float) -> Body:
    """The posed body as the camera sees it; `yaw` as in sample_yaw, `pitch` of the camera (positive: from above)."""
    view = turn_z(pose.roll) @ turn_x(pitch) @ turn_y(yaw)
    pelvis_frame = view @ turn_x(pose.lean)
    forward, sideways, twist = pose.spine
    chest = pelvis_frame @ turn_y(twist) @ turn_x(forward) @ turn_z(sideways)
    turn, nod, tilt = pose.head
    head = chest @ turn_y(turn) @ turn_x(nod - 0.5 * (pose.lean + forward)) @ turn_z(tilt)

    points = np.zeros((len(POINTS), 3))
    waist = pelvis_frame[:, 1] * 0.115
    thorax = waist + chest[:, 1] * 0.19
    neck = thorax + chest[:, 1] * 0.035 + chest[:, 2] * 0.01
    axes = HEAD_AXES * build.head
    skull = neck + head[:, 1] * (axes[1] * 0.95) + head[:, 2] * 0.012
    points[INDEX["waist"]], points[INDEX["thorax"]], points[INDEX["neck"]] = waist, thorax, neck
    points[INDEX["head"]] = skull
    points[_FACE_ROWS] = skull + (_FACE_POINTS * axes) @ head.T
    for row, side in enumerate((1, -1)):
        shoulder = thorax + chest[:, 0] * (side * build.shoulder) - chest[:, 1] * 0.01
        hip = pelvis_frame[:, 0] * (side * build.hip) - pelvis_frame[:, 1] * 0.01
        points[INDEX["left_shoulder"] + row], points[INDEX["left_hip"] + row] = shoulder, hip
        arm = _arm_points(chest, shoulder, pose.arms[row], side, build.arm)
        leg = _leg_points(pelvis_frame, hip, pose.legs[row], side, build.leg)
        points[[INDEX[name] + row for name in ("left_elbow", "left_wrist", "left_hand")]] = arm
        points[[INDEX[name] + row for name in ("left_knee", "left_ankle", "left_toe")]] = leg
    facing = dict(zip(FACE, (_FACE_NORMALS @ head[2]).tolist(), strict=True))
    return Body(points, pelvis_frame, chest, head, build, facing)
