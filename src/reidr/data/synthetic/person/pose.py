"""A walking skeleton in centimetres and how a camera sees it.

Body frame: X to the person's side (image right when facing the camera), Y up from the ground, Z forward.
The camera looks along -Z at yaw 0, which is the front view; yaw 90° faces image right, 180° shows the back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reidr.data.synthetic.person.appearance import Body

VIEWS = ("front", "side", "back")
PIXELS_PER_CM = 1.8  # the drawing canvas; two to three times finer than the crops made from it
CANVAS_WIDTH, CANVAS_HEIGHT = 250, 392
GROUND_X, GROUND_Y = 125.0, 378.0

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """One moment of a walk, angles in radians.

    Attributes:
        yaw, pitch: turn of the person towards the camera, and how far the camera looks down.
        phase: of the step cycle; stride and swing: largest angle of hips and shoulders in it.
        lean, sway: of the upper body, forward and sideways. elbow, spread: bend of the elbows, arms off the body.
        turn: of the head against the body.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    phase: float = 0.0
    stride: float = 0.3
    swing: float = 0.3
    lean: float = 0.03
    sway: float = 0.0
    elbow: float = 0.3
    spread: float = 0.14
    turn: float = 0.0


def sample_pose(random: np.random.Generator, view: str, pitch: float) -> Pose:
    """A pose in `view` (one of `VIEWS`), turned up to about 25° away from it."""
    turned = float(np.clip(random.normal(0, 0.22), -0.45, 0.45))
    centre = {"front": 0.0, "back": math.pi}.get(view, math.pi / 2 if random.random() < 0.5 else -math.pi / 2)
    stride = float(random.uniform(0.08, 0.5))
    return Pose(
        yaw=centre + turned,
        pitch=pitch,
        phase=float(random.uniform(0, 2 * math.pi)),
        stride=stride,
        swing=stride * float(random.uniform(0.6, 1.2)),
        lean=float(random.uniform(-0.01, 0.09)),
        sway=float(random.normal(0, 0.02)),
        elbow=float(random.uniform(0.12, 0.75)),
        spread=float(random.uniform(0.10, 0.2)),
        turn=float(np.clip(random.normal(0, 0.25), -0.6, 0.6)),
    )


@dataclass(frozen=True)
class Projection:
    """Parallel projection of the body frame onto the drawing canvas."""

    yaw: float
    pitch: float

    def screen(self, point: Vector) -> tuple[float, float, float]:
        """(x, y, depth): canvas pixels, and centimetres towards the camera."""
        x, y, z = point
        sine, cosine = math.sin(self.yaw), math.cos(self.yaw)
        across, towards = x * cosine + z * sine, -x * sine + z * cosine
        up = y * math.cos(self.pitch) - towards * math.sin(self.pitch)
        return GROUND_X + PIXELS_PER_CM * across, GROUND_Y - PIXELS_PER_CM * up, towards

    def half_width(self, width: float, depth: float) -> float:
        """Canvas pixels from centre to outline of an upright ellipse with half axes `width` and `depth` (cm)."""
        return PIXELS_PER_CM * math.hypot(width * math.cos(self.yaw), depth * math.sin(self.yaw))


@dataclass(frozen=True)
class Limb:
    """Three joints of an arm or a leg in the body frame (cm), and the direction of hand or foot (unit length)."""

    side: int
    top: Vector
    middle: Vector
    end: Vector
    direction: Vector


@dataclass(frozen=True)
class Skeleton:
    """Where everything is: arms, legs, and the line of the spine, which `lift` and lean have moved."""

    body: Body
    pose: Pose
    projection: Projection
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    lift: float

    def spine(self, share: float, x: float = 0.0, z: float = 0.0) -> Vector:
        """A point of the upper body at `share` of the height, `x` and `z` cm off the spine."""
        return _lean(self.body, self.pose, (x, share * self.body.height + self.lift, z))


def make_skeleton(body: Body, pose: Pose) -> Skeleton:
    """Forward kinematics of a step; the lower foot touches the ground."""
    legs = tuple(_leg(body, pose, side) for side in (-1, 1))
    lift = 0.045 * body.height - min(leg.end[1] for leg in legs)
    raised = tuple(
        Limb(leg.side, _up(leg.top, lift), _up(leg.middle, lift), _up(leg.end, lift), leg.direction) for leg in legs
    )
    arms = tuple(_arm(body, pose, side, lift) for side in (-1, 1))
    return Skeleton(body, pose, Projection(pose.yaw, pose.pitch), (arms[0], arms[1]), (raised[0], raised[1]), lift)


def _up(point: Vector, lift: float) -> Vector:
    return point[0], point[1] + lift, point[2]


def _lean(body: Body, pose: Pose, point: Vector) -> Vector:
    above = max(0.0, point[1] - body.legs * body.height)
    return point[0] + pose.sway * above, point[1], point[2] + pose.lean * above


def _leg(body: Body, pose: Pose, side: int) -> Limb:
    height, angle = body.height, pose.phase if side > 0 else pose.phase + math.pi
    hip = pose.stride * math.sin(angle)
    # A leg bends while it swings forward (cosine > 0) and a little when it trails behind.
    bend = 0.06 + pose.stride * (1.7 * max(0.0, math.cos(angle)) + 0.5 * max(0.0, -math.sin(angle)))
    top = (side * 0.05 * height * body.hips, body.legs * height, 0.0)
    upper, lower = (body.legs - 0.265) * height, 0.22 * height
    knee = (top[0] + side * 0.008 * height, top[1] - upper * math.cos(hip), upper * math.sin(hip))
    ankle = (knee[0], knee[1] - lower * math.cos(hip - bend), knee[2] + lower * math.sin(hip - bend))
    foot = 0.6 * (hip - bend)
    return Limb(side, top, knee, ankle, (0.12 * side, math.sin(foot), math.cos(foot)))


def _arm(body: Body, pose: Pose, side: int, lift: float) -> Limb:
    height, angle = body.height, pose.phase if side > 0 else pose.phase + math.pi
    shoulder = -pose.swing * math.sin(angle) + 0.04
    bend = pose.elbow * (0.7 + 0.3 * math.sin(angle))
    x = side * 0.099 * height * body.shoulders * (0.75 + 0.25 * body.build)
    top = _lean(body, pose, (x, 0.790 * height + lift, 0.0))
    upper, lower, out = 0.165 * height, 0.14 * height, math.sin(pose.spread)
    elbow = (
        top[0] + side * upper * out,
        top[1] - upper * math.cos(shoulder) * math.cos(pose.spread),
        top[2] + upper * math.sin(shoulder),
    )
    angle = shoulder + bend
    direction = (side * out * 0.3, -math.cos(angle), math.sin(angle))
    wrist = (elbow[0] + lower * direction[0], elbow[1] + lower * direction[1], elbow[2] + lower * direction[2])
    return Limb(side, top, elbow, wrist, direction)
