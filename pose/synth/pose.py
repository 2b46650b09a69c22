"""What a figure does: joint angles drawn from everyday actions, within plausible limits.

Angles are in degrees. Arms and legs are (left, right) pairs; sides mirror each other, so equal angles mean a
symmetric pose. See body.py for how the angles become points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Arm:
    """`lift` from hanging (0) to overhead (180), in the vertical plane at `heading` (0 forward, 90 sideways)."""

    lift: float
    heading: float
    twist: float  # turns the plane in which the elbow bends
    bend: float  # 0 straight, 150 fully bent


@dataclass(frozen=True)
class Leg:
    flex: float  # thigh forward (negative: backward)
    spread: float  # thigh outward
    twist: float  # knee pointing outward
    bend: float  # 0 straight
    ankle: float = 0.0  # toes down


@dataclass(frozen=True)
class Pose:
    arms: tuple[Arm, Arm]
    legs: tuple[Leg, Leg]
    lean: float = 0.0  # pelvis forward
    roll: float = 0.0  # whole body in the image plane
    spine: tuple[float, float, float] = (0.0, 0.0, 0.0)  # chest against pelvis: forward, sideways, twist
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)  # head against chest: turn, nod, tilt
    seated: bool = False


# name: (probability, lift, heading, twist, bend), the last four as (low, high)
ARMS = {
    "hang": (0.26, (0, 18), (40, 110), (-40, 20), (5, 30)),
    "swing": (0.14, (15, 50), (-5, 40), (-30, 20), (15, 90)),
    "back": (0.06, (10, 50), (140, 190), (-20, 20), (5, 70)),
    "hip": (0.10, (30, 55), (85, 130), (-95, -60), (75, 110)),
    "forward": (0.11, (55, 105), (-15, 45), (-40, 40), (0, 80)),
    "side": (0.10, (60, 110), (65, 105), (-60, 40), (0, 60)),
    "wave": (0.09, (65, 115), (70, 100), (-15, 20), (70, 130)),
    "overhead": (0.09, (130, 175), (40, 100), (-40, 40), (0, 70)),
    "phone": (0.05, (20, 60), (10, 60), (-30, 10), (115, 145)),
}
_ARM_NAMES = tuple(ARMS)
_ARM_EDGES = np.cumsum([ARMS[name][0] for name in _ARM_NAMES])


def _between(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return limits[0] + (limits[1] - limits[0]) * rng.random()


def _arm(rng: np.random.Generator, name: str | None = None) -> Arm:
    if name is None:
        name = _ARM_NAMES[min(int(np.searchsorted(_ARM_EDGES, rng.random())), len(_ARM_NAMES) - 1)]
    _, lift, heading, twist, bend = ARMS[name]
    return Arm(_between(rng, lift), _between(rng, heading), _between(rng, twist), _between(rng, bend))


def _arms(rng: np.random.Generator) -> tuple[Arm, Arm]:
    left = _arm(rng)
    if rng.random() < 0.25:  # both arms alike, but not exactly
        return left, replace(left, lift=left.lift + rng.normal(0, 6), bend=max(0.0, left.bend + rng.normal(0, 8)))
    return left, _arm(rng)


def _stand(rng: np.random.Generator) -> Pose:
    legs = tuple(
        Leg(rng.normal(2, 6), _between(rng, (0, 14)), _between(rng, (0, 25)), _between(rng, (0, 14))) for _ in range(2)
    )
    return Pose(_arms(rng), legs)


def _stride(rng: np.random.Generator, reach: float, knee: float, lean: float) -> Pose:
    """Walking (small reach) or running (large): opposite legs, arms swinging against them."""
    forward = reach * _between(rng, (0.5, 1.0))
    bends = knee * _between(rng, (0.1, 0.9)), knee * _between(rng, (0.3, 1.2))
    front = Leg(forward, rng.normal(2, 2), rng.normal(3, 4), bends[0], _between(rng, (-15, 10)))
    back = Leg(-0.6 * forward, rng.normal(2, 2), rng.normal(3, 4), bends[1], _between(rng, (0, 40)))
    swing = _between(rng, (0.4, 1.0)) * reach
    bend = _between(rng, (10, 40)) if reach < 45 else _between(rng, (60, 105))
    front_arm = Arm(swing, _between(rng, (-15, 15)), rng.normal(0, 10), bend)
    back_arm = Arm(swing * 0.9, _between(rng, (165, 190)), rng.normal(-30, 10), bend * 0.8)
    left_first = rng.random() < 0.5
    arms = (back_arm, front_arm) if left_first else (front_arm, back_arm)
    if rng.random() < 0.3:
        arms = _arms(rng)
    return Pose(arms, (front, back) if left_first else (back, front), lean=lean * rng.random())


def _walk(rng: np.random.Generator) -> Pose:
    return _stride(rng, 35, 35, 6)


def _run(rng: np.random.Generator) -> Pose:
    return _stride(rng, 70, 85, 22)


def _sit(rng: np.random.Generator) -> Pose:
    crossed = rng.random() < 0.2
    legs = tuple(
        Leg(_between(rng, (72, 98)), _between(rng, (-6 if crossed else 2, 26)), 0.0, _between(rng, (65, 105)))
        for _ in range(2)
    )
    return Pose(_arms(rng), legs, lean=_between(rng, (-12, 15)), seated=True)


def _squat(rng: np.random.Generator) -> Pose:
    flex, bend, spread = _between(rng, (60, 115)), _between(rng, (80, 130)), _between(rng, (8, 32))
    legs = tuple(Leg(flex + rng.normal(0, 8), spread, spread, bend + rng.normal(0, 8)) for _ in range(2))
    return Pose(_arms(rng), legs, lean=_between(rng, (5, 35)))


def _lunge(rng: np.random.Generator) -> Pose:
    front = Leg(_between(rng, (50, 90)), _between(rng, (0, 25)), _between(rng, (0, 20)), _between(rng, (50, 100)))
    back = Leg(_between(rng, (-40, -10)), _between(rng, (0, 25)), _between(rng, (0, 20)), _between(rng, (5, 60)), 20)
    legs = (front, back) if rng.random() < 0.5 else (back, front)
    return Pose(_arms(rng), legs, lean=_between(rng, (0, 25)))


def _kick(rng: np.random.Generator) -> Pose:
    kick = Leg(_between(rng, (35, 100)), _between(rng, (0, 45)), _between(rng, (0, 20)), _between(rng, (0, 35)), 15)
    stand = Leg(rng.normal(0, 8), _between(rng, (0, 8)), 5.0, _between(rng, (0, 25)))
    return Pose(_arms(rng), (kick, stand) if rng.random() < 0.5 else (stand, kick), lean=_between(rng, (-20, 5)))


def _star(rng: np.random.Generator) -> Pose:
    """Legs wide apart, as in a jump or a stretch."""
    legs = tuple(
        Leg(_between(rng, (-10, 25)), _between(rng, (14, 42)), _between(rng, (0, 30)), _between(rng, (0, 50)), 10)
        for _ in range(2)
    )
    return Pose(_arms(rng), legs)


def _bend(rng: np.random.Generator) -> Pose:
    """Bending forward, as to pick something up."""
    legs = tuple(Leg(_between(rng, (25, 60)), _between(rng, (0, 14)), 5.0, _between(rng, (5, 50))) for _ in range(2))
    arms = tuple(_arm(rng, "forward" if rng.random() < 0.6 else None) for _ in range(2))
    return Pose(arms, legs, lean=_between(rng, (20, 50)), spine=(_between(rng, (10, 40)), 0.0, 0.0))


ACTIONS = (
    (0.45, _stand), (0.21, _walk), (0.10, _run), (0.06, _sit), (0.02, _squat),
    (0.03, _lunge), (0.04, _kick), (0.08, _star), (0.01, _bend),
)  # fmt: skip
_ACTION_EDGES = np.cumsum([share for share, _ in ACTIONS])


def sample_pose(rng: np.random.Generator) -> Pose:
    """Draw an action, then its angles; spine and head move a little in all of them."""
    _, action = ACTIONS[min(int(np.searchsorted(_ACTION_EDGES, rng.random())), len(ACTIONS) - 1)]
    pose = action(rng)
    forward, side, twist = pose.spine
    roll = rng.normal(0, 6) if rng.random() < 0.97 else rng.choice((-1, 1)) * _between(rng, (30, 90))
    return replace(
        pose,
        roll=float(roll),
        spine=(forward + rng.normal(3, 7), side + rng.normal(0, 6), twist + rng.normal(0, 10)),
        head=(rng.normal(0, 22), rng.normal(3, 9), rng.normal(0, 7)),
    )


def sample_yaw(rng: np.random.Generator) -> float:
    """Which way the figure faces, degrees: 0 to the camera, 90 to the right of the image, 180 away."""
    kind = rng.random()
    if kind < 0.94:
        return float(rng.normal(0, 18))
    if kind < 0.98:
        return float(rng.choice((-1, 1)) * _between(rng, (45, 100)))
    return float(180 + rng.normal(0, 18))
